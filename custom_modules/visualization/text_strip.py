import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .letters import letters

MARGIN = 6


def text_strip(text: str, width: int, size: int = 15, bold: bool = False) -> np.ndarray:
    """Write black on a white strip, in as many lines as the width asks for.

    Args:
        text (str): What to write; a line break begins a new line.
        width (int): Width of the strip in pixels.
        size (int): Height of the letters in pixels. Defaults to 15.
        bold (bool): Whether the letters are bold. Defaults to False.

    Returns:
        np.ndarray: RGB (H, width, 3), uint8.
    """
    font = letters(size, bold)
    room = width - 2 * MARGIN
    lines = [line for part in text.split('\n') for line in _wrapped(part, room, font)]
    step = round(1.35 * size)
    strip = Image.new('RGB', (width, step * len(lines) + MARGIN), 'white')
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        draw.text((MARGIN, MARGIN // 2 + row * step), line, fill='black', font=font)
    return np.asarray(strip)


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    lines = ['']
    for word in text.split(' '):
        longer = f'{lines[-1]} {word}'.strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append('')
            longer = word
        # a file's name may have no blanks
        while font.getlength(longer) > width and len(longer) > 1:
            fits = [n for n in range(1, len(longer)) if font.getlength(longer[:n]) <= width]
            cut = max(fits, default=1)
            lines[-1], longer = longer[:cut], longer[cut:]
            lines.append('')
        lines[-1] = longer
    return lines

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from .letters import letters
from .text_strip import MARGIN


def legend_strip(colours: Mapping[str, Sequence[int]], width: int, size: int = 15) -> np.ndarray:
    """Explain colours: a patch and a name for each, in as many lines as the width asks for.

    Args:
        colours (Mapping[str, Sequence[int]]): RGB of each name.
        width (int): Width of the strip in pixels.
        size (int): Height of the letters in pixels. Defaults to 15.

    Returns:
        np.ndarray: RGB (H, width, 3), uint8.
    """
    font, step = letters(size), round(1.5 * size)
    places, x, y = [], MARGIN, 0
    for name in colours:
        needed = round(1.5 * size + font.getlength(name))
        if x > MARGIN and x + needed > width:
            x, y = MARGIN, y + step
        places.append((x, y + MARGIN // 2))
        x += needed + size
    strip = Image.new('RGB', (width, y + step + MARGIN), 'white')
    draw = ImageDraw.Draw(strip)
    for (name, colour), (x, y) in zip(colours.items(), places, strict=True):
        draw.rectangle((x, y + 1, x + size, y + size + 1), fill=tuple(colour), outline='black')
        draw.text((x + round(1.4 * size), y), name, fill='black', font=font)
    return np.asarray(strip)

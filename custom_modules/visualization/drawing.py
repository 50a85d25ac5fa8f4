"""Parts of a picture: overlay, errors, legend, text."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image, ImageDraw

from custom_modules.datasets.masks import IGNORED
from custom_modules.utils.files import write_atomically
from custom_modules.utils.images import read_image
from custom_modules.utils.plotting import load_font

MARGIN = 6
# of Okabe and Ito, and of different lightness too: told apart with every common colour blindness, and in grey
ERROR_COLOURS = {
    'true positive': (86, 180, 233),
    'false positive': (240, 228, 66),
    'false negative': (213, 94, 0),
    'wrong class': (204, 121, 167),
}


def scaled_image(path: str, width: int) -> np.ndarray:
    """Read an image as RGB (H, W, 3), uint8, and scale it down if it is wider than it shall be."""
    image = read_image(get(path), path)
    if image.shape[1] <= width:
        return image
    size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def write_picture(picture: np.ndarray, path: str | Path) -> None:
    """Write a picture, RGB (H, W, 3), uint8, all or nothing: ``.jpg`` or ``.jpeg`` as JPEG, else PNG; missing folders are made."""
    kind = '.jpg' if Path(path).suffix.lower() in ('.jpg', '.jpeg') else '.png'
    write_atomically(path, encoded(picture, kind))


def encoded(picture: np.ndarray, kind: str = '.png') -> bytes:
    """Encode a picture, RGB (H, W, 3), uint8, as PNG or ``'.jpg'``."""
    return cv2.imencode(kind, picture[..., ::-1])[1].tobytes()


def readable_size(image: np.ndarray, side: int = 360) -> np.ndarray:
    """Bring a picture (H, W, 3) to about ``side`` pixels: a small one by a whole number of times, so that its pixels stay exact.

    What is more than half as large again is shrunk by area.

    Example:
        >>> [readable_size(np.zeros((64, width, 3), np.uint8)).shape[1] for width in (64, 128, 256, 360, 720)]
        [384, 384, 512, 360, 360]
    """
    longer = max(image.shape[:2])
    if longer > 1.5 * side:
        height, width = (max(round(side * length / longer), 1) for length in image.shape[:2])
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    times = max(-(-9 * side // (10 * longer)), 1)
    return image.repeat(times, axis=0).repeat(times, axis=1)


def text_strip(text: str, width: int, size: int = 15, bold: bool = False) -> np.ndarray:
    """Write black on a white strip of a width, RGB, in as many lines as that asks for; letters are ``size`` pixels high."""
    font = load_font(size, bold)
    # a usual letter's width decides, and a file's name may have no blanks
    lines = textwrap.wrap(text, max(1, int((width - 2 * MARGIN) / font.getlength('n')))) or ['']
    step = round(1.35 * size)
    strip = Image.new('RGB', (width, step * len(lines) + MARGIN), 'white')
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        draw.text((MARGIN, MARGIN // 2 + row * step), line, fill='black', font=font)
    return np.asarray(strip)


def legend_strip(colours: Mapping[str, Sequence[int]], width: int, size: int = 15) -> np.ndarray:
    """Explain colours (RGB of each name) on a white strip: a patch and a name for each, in as many lines as the width asks for."""
    font, step = load_font(size), round(1.5 * size)
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


def overlay(image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], alpha: float = 0.5) -> np.ndarray:
    """Draw a mask half-transparent over its image; class 0, the background, stays as it is.

    ``image`` is RGB (H, W, 3), uint8; ``labels`` are class indices (H, W), of which those beyond the palette (RGB of each class), such
    as 255, stay as they are too; ``alpha`` says how much the colour covers.
    """
    drawn = image.astype(np.float32)
    for index, colour in enumerate(palette[1:], start=1):
        area = labels == index
        drawn[area] = (1 - alpha) * drawn[area] + alpha * np.array(colour)
    return drawn.astype(np.uint8)


def error_map(image: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Draw what a segmentor found, invented, missed and took for another class, over the image in dark grey, in ``ERROR_COLOURS``.

    ``image`` is RGB (H, W, 3), uint8; ``truth`` and ``predicted`` are class indices (H, W), 0 the background; true 255 is not coloured.
    """
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1) * 0.6
    # the first that holds
    cases = [
        truth == IGNORED,
        (truth > 0) & (predicted == truth),
        (truth == 0) & (predicted > 0),
        (truth > 0) & (predicted == 0),
        predicted != truth,
    ]
    kinds = np.select(cases, range(5))
    return overlay(grey.astype(np.uint8), kinds, [(0, 0, 0), *ERROR_COLOURS.values()], alpha=0.8)

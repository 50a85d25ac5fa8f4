"""Pictures of predictions, alone and on one sheet, and their parts: overlay, errors, legend, text."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image, ImageDraw

from custom_modules.datasets.masks import IGNORED
from custom_modules.utils.files import write_atomically
from custom_modules.utils.images import read_image
from custom_modules.utils.plotting import load_font

if TYPE_CHECKING:
    # torch, which looking at data does without
    from custom_modules.evaluation.predictions import Prediction

MARGIN = 6
SHEET_GAP = 16
PANEL_GAP = 6
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


def lay_out(pictures: Sequence[np.ndarray], axis: int, gap: int) -> np.ndarray:
    """Lay pictures (H, W, 3) on white, one below the other (axis 0) or side by side (1), each with a gap behind it."""
    across = max(picture.shape[1 - axis] for picture in pictures)
    padded = []
    for picture in pictures:
        missing = [(0, gap), (0, across - picture.shape[1 - axis])]
        padded.append(np.pad(picture, [*missing[:: 1 - 2 * axis], (0, 0)], constant_values=255))
    return np.concatenate(padded, axis)


def contact_sheet(columns: Mapping[str, Sequence[np.ndarray]], colours: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Lay pictures (H, W, 3) out in columns with heads, and one legend (RGB of each name) for all; no column without pictures."""
    laid = []
    for head, pictures in columns.items():
        if pictures:
            column = lay_out(pictures, 0, SHEET_GAP)
            laid.append(np.concatenate([text_strip(head, column.shape[1], 22, bold=True), column]))
    sheet = np.pad(lay_out(laid, 1, SHEET_GAP), [(0, 0), (SHEET_GAP, 0), (0, 0)], constant_values=255)
    return np.concatenate([sheet, legend_strip(colours, sheet.shape[1], 20)])


class PredictionPanel:
    """Draws a prediction as one row: input | truth | prediction | error map, with title and legend.

    The palette is RGB of each class, the background first; an image's longer side gets about ``side`` pixels, see
    :func:`readable_size`.
    """

    def __init__(self, classes: Sequence[str], palette: Sequence[Sequence[int]], side: int = 360) -> None:
        self.classes, self.palette, self.side = tuple(classes), palette, side

    def draw(self, prediction: 'Prediction', note: str = '', legend: bool = True) -> np.ndarray:
        """Draw one image as RGB (H, W, 3); the title has ``note`` before the name, such as a rank, ``legend`` explains the colours below."""
        image, truth, predicted = prediction.image, prediction.truth, prediction.predicted
        overlays = dict(truth=overlay(image, truth, self.palette), prediction=overlay(image, predicted, self.palette))
        cells = dict(input=image, **overlays, errors=error_map(image, truth, predicted))
        captioned = []
        for caption, cell in cells.items():
            cell = readable_size(cell, self.side)
            captioned.append(np.concatenate([text_strip(caption, cell.shape[1]), cell]))
        row = lay_out(captioned, 1, PANEL_GAP)[:, :-PANEL_GAP]
        width = row.shape[1]
        title = f'{note}  {prediction.name}'.strip()
        parts = [text_strip(title, width, 17, bold=True), text_strip(self._scores(prediction), width), row]
        if legend:
            parts.append(legend_strip(self.legend(), width))
        return np.concatenate(parts)

    def legend(self) -> dict[str, Sequence[int]]:
        """Name the colours in a panel."""
        colours = dict(zip(self.classes[1:], self.palette[1:], strict=True))
        for name, colour in ERROR_COLOURS.items():
            if name != 'wrong class' or len(self.classes) > 2:
                # a class may be called as an error is
                colours[f'errors: {name}'] = colour
        return colours

    def _scores(self, prediction: 'Prediction') -> str:
        scores = prediction.scores.by_class()
        dice, iou = ([_score(value) for value in scores[name]] for name in ('Dice', 'IoU'))
        own = [f'{name} Dice {one}, IoU {other}' for name, one, other in zip(self.classes, dice, iou, strict=True)][1:]
        if len(own) > 1:
            own.insert(0, f'mDice without {self.classes[0]} {_score(prediction.scores.foreground_dice)}')
        return '  |  '.join(own)


def _score(value: float) -> str:
    # neither there nor predicted
    return f'{value:.2f}' if np.isfinite(value) else 'undefined'

"""Pictures of predictions and their parts: overlay, error map, legend, text, contact sheet."""

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
from custom_modules.utils.images import read_image, shrunk
from custom_modules.utils.plotting import load_font

if TYPE_CHECKING:
    # it imports torch, which the data checks in eda do without
    from custom_modules.evaluation.predictions import Prediction

MARGIN, SHEET_GAP, PANEL_GAP = 6, 16, 6
# Okabe and Ito's colours for colour-blind readers, which differ in lightness too
ERROR_COLOURS = {
    'true positive': (86, 180, 233),
    'false positive': (240, 228, 66),
    'false negative': (213, 94, 0),
    'wrong class': (204, 121, 167),
}


def scaled_image(path: str, width: int) -> np.ndarray:
    """Read an image as RGB (H, W, 3), uint8, and scale it down to a width in pixels if it is wider."""
    image = read_image(get(path), path)
    if image.shape[1] <= width:
        return image
    size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def write_picture(picture: np.ndarray, path: str | Path) -> None:
    """Write a picture, RGB (H, W, 3), uint8, atomically, as JPEG (``.jpg``, ``.jpeg``) or else PNG; creates missing folders."""
    kind = '.jpg' if Path(path).suffix.lower() in ('.jpg', '.jpeg') else '.png'
    write_atomically(path, encoded(picture, kind))


def encoded(picture: np.ndarray, kind: str = '.png') -> bytes:
    """Encode a picture, RGB (H, W, 3), uint8, as PNG or ``'.jpg'``."""
    return cv2.imencode(kind, picture[..., ::-1])[1].tobytes()


def readable_size(image: np.ndarray, side: int = 360) -> np.ndarray:
    """Resize a picture (H, W, 3) to about ``side`` pixels: repeat the pixels of a small one, and shrink one above 1.5 times that.

    Example:
        >>> [readable_size(np.zeros((64, width, 3), np.uint8)).shape[1] for width in (64, 128, 256, 360, 720)]
        [384, 384, 512, 360, 360]
    """
    longer = max(image.shape[:2])
    if longer > 1.5 * side:
        return shrunk(image, side)
    times = max(-(-9 * side // (10 * longer)), 1)
    return image.repeat(times, axis=0).repeat(times, axis=1)


def text_strip(text: str, width: int, size: int = 15, bold: bool = False) -> np.ndarray:
    """Draw black text on a white strip, RGB, with line breaks to fit the width; letters are ``size`` pixels high."""
    font = load_font(size, bold)
    # by the width of a typical letter, since textwrap counts letters
    lines = textwrap.wrap(text, max(1, int((width - 2 * MARGIN) / font.getlength('n')))) or ['']
    step = round(1.35 * size)
    strip = Image.new('RGB', (width, step * len(lines) + MARGIN), 'white')
    draw = ImageDraw.Draw(strip)
    for row, line in enumerate(lines):
        draw.text((MARGIN, MARGIN // 2 + row * step), line, fill='black', font=font)
    return np.asarray(strip)


def legend_strip(colours: Mapping[str, Sequence[int]], width: int, size: int = 15) -> np.ndarray:
    """Draw a legend, a patch and a name for each colour (RGB by name), on a white strip with line breaks to fit the width."""
    font, step = load_font(size), round(1.5 * size)
    places, x, y = [], MARGIN, 0
    for name in colours:
        length = round(1.5 * size + font.getlength(name))
        if x > MARGIN and x + length > width:
            x, y = MARGIN, y + step
        places.append((x, y + MARGIN // 2))
        x += length + size
    strip = Image.new('RGB', (width, y + step + MARGIN), 'white')
    draw = ImageDraw.Draw(strip)
    for (name, colour), (x, y) in zip(colours.items(), places, strict=True):
        draw.rectangle((x, y + 1, x + size, y + size + 1), fill=tuple(colour), outline='black')
        draw.text((x + round(1.4 * size), y), name, fill='black', font=font)
    return np.asarray(strip)


def overlay(image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], alpha: float = 0.5) -> np.ndarray:
    """Draw a mask over its image, with the opacity ``alpha``.

    ``image`` is RGB (H, W, 3), uint8; ``labels`` are class indices (H, W); ``palette`` is RGB of each class. The background, 0, and
    indices beyond the palette, such as 255, are not drawn.
    """
    drawn = image.astype(np.float32)
    for index, colour in enumerate(palette[1:], start=1):
        area = labels == index
        drawn[area] = (1 - alpha) * drawn[area] + alpha * np.array(colour)
    return drawn.astype(np.uint8)


def error_map(image: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Draw true and false positives, false negatives and wrong classes in ``ERROR_COLOURS`` over the image in dark grey.

    ``image`` is RGB (H, W, 3), uint8; ``truth`` and ``predicted`` are class indices (H, W), 0 the background, true 255 ignored.
    """
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1) * 0.6
    # np.select takes the first case that holds
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
    """Join pictures (H, W, 3) on white, from top to bottom (axis 0) or left to right (1), each with a gap behind it."""
    across = max(picture.shape[1 - axis] for picture in pictures)
    padded = []
    for picture in pictures:
        added = {axis: gap, 1 - axis: across - picture.shape[1 - axis]}
        padded.append(np.pad(picture, [(0, added[0]), (0, added[1]), (0, 0)], constant_values=255))
    return np.concatenate(padded, axis)


def contact_sheet(columns: Mapping[str, Sequence[np.ndarray]], colours: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Lay out pictures (H, W, 3) in columns with heads, without empty columns, above one legend (RGB by name)."""
    drawn = []
    for head, pictures in columns.items():
        if pictures:
            column = lay_out(pictures, 0, SHEET_GAP)
            drawn.append(np.concatenate([text_strip(head, column.shape[1], 22, bold=True), column]))
    sheet = np.pad(lay_out(drawn, 1, SHEET_GAP), [(0, 0), (SHEET_GAP, 0), (0, 0)], constant_values=255)
    return np.concatenate([sheet, legend_strip(colours, sheet.shape[1], 20)])


class PredictionPanel:
    """Draws a prediction as one row: input | truth | prediction | error map, with title and legend.

    The palette is RGB of each class, the background first; images are resized by :func:`readable_size` to ``side`` pixels.
    """

    def __init__(self, classes: Sequence[str], palette: Sequence[Sequence[int]], side: int = 360) -> None:
        self.classes, self.palette, self.side = tuple(classes), palette, side

    def draw(self, prediction: 'Prediction', note: str = '', legend: bool = True) -> np.ndarray:
        """Draw one image as RGB (H, W, 3), with a ``note``, such as a rank, before the name in the title."""
        image, truth, predicted = prediction.image, prediction.truth, prediction.predicted
        overlays = dict(truth=overlay(image, truth, self.palette), prediction=overlay(image, predicted, self.palette))
        cells = dict(input=image, **overlays, errors=error_map(image, truth, predicted))
        sized = {caption: readable_size(cell, self.side) for caption, cell in cells.items()}
        captioned = [np.concatenate([text_strip(caption, cell.shape[1]), cell]) for caption, cell in sized.items()]
        row = lay_out(captioned, 1, PANEL_GAP)[:, :-PANEL_GAP]
        width = row.shape[1]
        title = f'{note}  {prediction.name}'.strip()
        parts = [text_strip(title, width, 17, bold=True), text_strip(self._scores(prediction), width), row]
        if legend:
            parts.append(legend_strip(self.legend(), width))
        return np.concatenate(parts)

    def legend(self) -> dict[str, Sequence[int]]:
        """Return the colours (RGB) of a panel by name."""
        # with a prefix, since a class may have the name of an error
        errors = {f'errors: {name}': colour for name, colour in ERROR_COLOURS.items()}
        if len(self.classes) == 2:
            del errors['errors: wrong class']
        return dict(zip(self.classes[1:], self.palette[1:], strict=True)) | errors

    def _scores(self, prediction: 'Prediction') -> str:
        scores = prediction.scores.by_class()
        rows = list(zip(self.classes, scores['Dice'], scores['IoU'], strict=True))[1:]
        texts = [f'{name} Dice {_score_text(dice)}, IoU {_score_text(iou)}' for name, dice, iou in rows]
        if len(texts) > 1:
            texts.insert(0, f'mDice without {self.classes[0]} {_score_text(prediction.scores.foreground_dice)}')
        return '  |  '.join(texts)


def _score_text(value: float) -> str:
    # nan if a class is neither true nor predicted
    return f'{value:.2f}' if np.isfinite(value) else 'undefined'

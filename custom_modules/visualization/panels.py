"""Pictures of predictions, alone and on one sheet."""

from collections.abc import Mapping, Sequence

import numpy as np

from custom_modules.evaluation.predictions import Prediction
from custom_modules.visualization.drawing import (
    ERROR_COLOURS,
    error_map,
    legend_strip,
    overlay,
    readable_size,
    text_strip,
)

SHEET_GAP = 16
PANEL_GAP = 6


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

    def draw(self, prediction: Prediction, note: str = '', legend: bool = True) -> np.ndarray:
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

    def _scores(self, prediction: Prediction) -> str:
        scores = prediction.scores.by_class()
        dice, iou = ([_score(value) for value in scores[name]] for name in ('Dice', 'IoU'))
        own = [f'{name} Dice {one}, IoU {other}' for name, one, other in zip(self.classes, dice, iou, strict=True)][1:]
        if len(own) > 1:
            own.insert(0, f'mDice without {self.classes[0]} {_score(prediction.scores.foreground_dice)}')
        return '  |  '.join(own)


def _score(value: float) -> str:
    # neither there nor predicted
    return f'{value:.2f}' if np.isfinite(value) else 'undefined'

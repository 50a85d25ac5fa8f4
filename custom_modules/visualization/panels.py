"""Pictures of samples and predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.structures import BaseDataElement
from mmengine.visualization import LocalVisBackend, Visualizer

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.predictions import Prediction
from custom_modules.utils.images import read_image
from custom_modules.visualization.drawing import (
    ERROR_COLOURS,
    error_map,
    legend_strip,
    overlay,
    readable_size,
    text_strip,
)

SHEET_GAP = 16


def contact_sheet(
    columns: Mapping[str, Sequence[np.ndarray]], colours: Mapping[str, Sequence[int]]
) -> np.ndarray:
    """Lay pictures (H, W, 3) out in columns with heads, and one legend (RGB of each name) for all; no column without pictures."""
    laid = []
    for head, pictures in columns.items():
        if pictures:
            width = max(picture.shape[1] for picture in pictures)
            parts = [text_strip(head, width, 22, bold=True)]
            for picture in pictures:
                parts += [picture, np.full((SHEET_GAP, width, 3), 255, np.uint8)]
            laid.append(np.concatenate([_padded(part, part.shape[0], width) for part in parts]))
    height = max(column.shape[0] for column in laid)
    gap = np.full((height, SHEET_GAP, 3), 255, np.uint8)
    padded = [part for column in laid for part in (gap, _padded(column, height, column.shape[1]))]
    sheet = np.concatenate([*padded, gap], axis=1)
    return np.concatenate([sheet, legend_strip(colours, sheet.shape[1], 20)])


def _padded(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    missing = (0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)
    return np.pad(picture, missing, constant_values=255)


def draw_sample(
    visualizer: Visualizer,
    image: np.ndarray,
    sample: BaseDataElement,
    folder: Path,
    name: str,
    epoch: int,
) -> None:
    """Draw one sample as a run's visualizer does, to ``<folder>/<name>_epoch_<epoch>.png`` and to the run's trackers.

    The trackers' tag is the folder's name and the sample's, their step the epoch.
    """
    file = folder / f'{name}_epoch_{epoch:03d}.png'
    visualizer.add_datasample(name, image, sample, out_file=str(file))
    # as drawn by any of mmseg's visualizers, which either write or hand on
    panel = read_image(file)
    for backend in visualizer._vis_backends.values():
        # its file names do not sort by epoch, and the file is there
        if not isinstance(backend, LocalVisBackend):
            # MLflow makes a file of it, and goes by the extension
            backend.add_image(f'{folder.name}/{name}.png', panel, epoch)


PANEL_GAP = 6


class PredictionPanel:
    """Draws a prediction as one row: input | truth | prediction | error map, with title and legend.

    What has no truth, every pixel of it 255, becomes input | prediction.

    Args:
        classes (Sequence[str]): Names of the classes, the background first.
        palette (Sequence[Sequence[int]]): RGB of each class.
        side (int): About how many pixels an image's longer side gets; see :func:`readable_size`. Defaults to 360.
    """

    def __init__(
        self, classes: Sequence[str], palette: Sequence[Sequence[int]], side: int = 360
    ) -> None:
        self.classes, self.palette, self.side = tuple(classes), palette, side

    def draw(self, prediction: Prediction, note: str = '', legend: bool = True) -> np.ndarray:
        """Draw one image as RGB (H, W, 3).

        Args:
            prediction (Prediction): The image.
            note (str): What the title says before the name, such as a rank. Defaults to nothing.
            legend (bool): Whether to explain the colours below. Defaults to True.
        """
        image, truth, predicted = prediction.image, prediction.truth, prediction.predicted
        labelled = (truth != IGNORED).any()
        cells = dict(input=image)
        if labelled:
            cells['truth'] = overlay(image, truth, self.palette)
        cells['prediction'] = overlay(image, predicted, self.palette)
        if labelled:
            cells['errors'] = error_map(image, truth, predicted)
        row = _beside([self._captioned(cell, name) for name, cell in cells.items()])
        width = row.shape[1]
        title = f'{note}  {prediction.name}'.strip()
        parts = [text_strip(title, width, 17, bold=True)]
        size = f'no mask; seen by the model at {truth.shape[1]}x{truth.shape[0]}'
        parts += [text_strip(self._scores(prediction) if labelled else size, width), row]
        if legend:
            parts.append(legend_strip(self.legend(labelled), width))
        return np.concatenate(parts)

    def legend(self, labelled: bool = True) -> dict[str, Sequence[int]]:
        """Name the colours in a panel; where there is no truth, there is no error map."""
        colours = dict(zip(self.classes[1:], self.palette[1:], strict=True))
        for name, colour in ERROR_COLOURS.items() if labelled else ():
            if name != 'wrong class' or len(self.classes) > 2:
                # a class may be called as an error is
                colours[f'errors: {name}'] = colour
        return colours

    def _captioned(self, image: np.ndarray, caption: str) -> np.ndarray:
        image = readable_size(image, self.side)
        return np.concatenate([text_strip(caption, image.shape[1]), image])

    def _scores(self, prediction: Prediction) -> str:
        scores = prediction.scores
        own = [
            f'{name} Dice {_percent(dice)}, IoU {_percent(iou)}'
            for name, dice, iou in zip(self.classes, scores.dice, scores.iou, strict=True)
        ][1:]
        if len(own) > 1:
            dice = scores.dice[1:]
            mean = float(np.nanmean(dice)) if np.isfinite(dice).any() else np.nan
            own.insert(0, f'mDice without {self.classes[0]} {_percent(mean)}')
        return '  |  '.join(own)


def _percent(value: float) -> str:
    # neither there nor predicted
    return f'{value:.2f}' if np.isfinite(value) else 'undefined'


def _beside(cells: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((cells[0].shape[0], PANEL_GAP, 3), 255, np.uint8)
    return np.concatenate([part for cell in cells for part in (gap, cell)][1:], axis=1)

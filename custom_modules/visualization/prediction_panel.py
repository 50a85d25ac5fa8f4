from collections.abc import Sequence

import numpy as np

from custom_modules.datasets.index_masks import IGNORED
from custom_modules.evaluation.prediction import Prediction

from .error_map import ERROR_COLOURS, error_map
from .legend_strip import legend_strip
from .overlay import overlay
from .readable_size import readable_size
from .text_strip import text_strip

GAP = 6


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
        """Draw one image.

        Args:
            prediction (Prediction): The image.
            note (str): What the title says before the name, such as a rank. Defaults to nothing.
            legend (bool): Whether to explain the colours below. Defaults to True.

        Returns:
            np.ndarray: RGB (H, W, 3), uint8.
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
        """Name the colours in a panel.

        Args:
            labelled (bool): Whether there is a truth, and so an error map. Defaults to True.

        Returns:
            dict[str, Sequence[int]]: RGB of each name.
        """
        colours = dict(zip(self.classes[1:], self.palette[1:], strict=True))
        if not labelled:
            return colours
        errors = {
            name: colour
            for name, colour in ERROR_COLOURS.items()
            if name != 'wrong class' or len(self.classes) > 2
        }
        # a class may be called as an error is
        return colours | {f'errors: {name}': colour for name, colour in errors.items()}

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
    gap = np.full((cells[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for cell in cells for part in (gap, cell)][1:], axis=1)

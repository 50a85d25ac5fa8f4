"""Objects found and invented by their size, and boundaries."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation, distance_transform_edt
from skimage.segmentation import find_boundaries

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.evaluation.objects import match_objects
from custom_modules.evaluation.predictions import Prediction

# 1 to 3 pixels, 4 to 15, ...: 4^20 pixels are more than any image has
BINS = 20


class ObjectSizes:
    """How well objects are found, and how often they are invented, by their size.

    What an object is, and when it is found or invented, is said in :mod:`custom_modules.evaluation.objects`; here those below
    the label limit count too. Sizes are pixels of area at the resolution of the scores, in bins that grow by the factor 4
    (the side of a square by 2).
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        # objects, their pixels, pixels found, objects found; predicted objects, invented ones
        self.counts = np.zeros((len(classes), BINS, 6), np.int64)

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        counted = prediction.truth != IGNORED
        for index, counts in enumerate(self.counts[1:], start=1):
            truth = prediction.truth == index
            predicted = (prediction.predicted == index) & counted
            match = match_objects(truth, predicted)
            areas, bins = match.true_areas, _bin_of(match.true_areas)
            for column, values in enumerate([areas > 0, areas, match.true_hits, match.found]):
                np.add.at(counts[:, column], bins, values)
            for column, values in enumerate([match.areas > 0, match.invented], start=4):
                np.add.at(counts[:, column], _bin_of(match.areas), values)

    def table(self) -> pd.DataFrame:
        """Lay out the counts, from the smallest size to the largest that occurs.

        Returns:
            pd.DataFrame: Per ``class`` and ``size`` (pixels): ``objects`` (true ones), ``pixels`` of them, ``recall`` (percent of
            these pixels that were found), ``found`` (percent of the objects of which at least half was found),
            ``predicted`` (predicted objects), ``false_alarms`` (percent of these that are invented).
        """
        rows = []
        for name, counts in zip(self.classes[1:], self.counts[1:], strict=True):
            last = np.flatnonzero(counts.any(axis=1)).max(initial=-1)
            for size, (objects, pixels, hit, found, drawn, false) in enumerate(counts[: last + 1]):
                rows.append(
                    {
                        'class': name,
                        'size': f'{4**size}-{4 ** (size + 1) - 1}',
                        'objects': objects,
                        'pixels': pixels,
                        'recall': 100 * hit / pixels if pixels else np.nan,
                        'found': 100 * found / objects if objects else np.nan,
                        'predicted': drawn,
                        'false_alarms': 100 * false / drawn if drawn else np.nan,
                    }
                )
        columns = 'class size objects pixels recall found predicted false_alarms'
        return pd.DataFrame(rows, columns=columns.split())


def _bin_of(areas: np.ndarray) -> np.ndarray:
    # exact for whole numbers, which a logarithm is not
    return np.array([(int(area).bit_length() - 1) // 2 for area in areas], np.int64)


SHARE_OF_DIAGONAL = 0.0075


def boundary_tolerance(shape: tuple[int, int]) -> float:
    """Give the usual tolerance for an image's height and width: 0.75 % of its diagonal, at least one pixel."""
    return max(1.0, SHARE_OF_DIAGONAL * float(np.hypot(*shape)))


def boundary_f1(
    truth: np.ndarray,
    predicted: np.ndarray,
    tolerance: float | None = None,
    ignored: np.ndarray | None = None,
) -> float:
    """Score the outline of a class: F1 of the boundary pixels that lie near the other mask's boundary.

    As in `What is a good evaluation measure for semantic segmentation? <https://doi.org/10.5244/C.27.32>`_ (Csurka et al.,
    BMVC 2013). A boundary is the outermost pixels of an object; where it leaves the image it has none.

    Args:
        truth (np.ndarray): Where the class is (H, W), bool.
        predicted (np.ndarray): Where it is predicted (H, W), bool.
        tolerance (float, optional): Distance between pixel centres that counts as near; of :func:`boundary_tolerance` by default.
        ignored (np.ndarray, optional): Pixels without a class (H, W), bool: boundaries in and beside them do not count.

    Returns:
        float: Percent; 0 if one mask alone has a boundary, nan if none has.

    Example:
        >>> square = np.zeros((9, 9), bool)
        >>> square[2:6, 2:6] = True
        >>> boundary_f1(square, np.roll(square, 1, axis=1)), boundary_f1(square, ~square & False)
        (100.0, 0.0)
    """
    if tolerance is None:
        tolerance = boundary_tolerance(truth.shape)
    lines = [find_boundaries(mask, connectivity=1, mode='inner') for mask in (truth, predicted)]
    if ignored is not None and ignored.any():
        beside = binary_dilation(ignored)
        lines = [line & ~beside for line in lines]
    if not any(line.any() for line in lines):
        return float('nan')
    if not all(line.any() for line in lines):
        return 0.0
    real, drawn = lines
    recall = (distance_transform_edt(~drawn)[real] <= tolerance).mean()
    precision = (distance_transform_edt(~real)[drawn] <= tolerance).mean()
    return float(200 * precision * recall / (precision + recall)) if precision + recall else 0.0


def foreground_dice(scores: ConfusionScores) -> float:
    """Average the Dice of the classes but the background that are there or predicted, in percent: what images are ranked by.

    It is nan if there are none. With two classes it is the Dice of class 1.
    """
    dice = scores.dice[1:]
    return float(np.nanmean(dice)) if np.isfinite(dice).any() else float('nan')


def foreground_dice_name(classes: Sequence[str]) -> str:
    """Say what :func:`foreground_dice` is, such as ``'rock Dice'``."""
    return f'{classes[1]} Dice' if len(classes) == 2 else f'mDice without {classes[0]}'

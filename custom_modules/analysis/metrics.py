"""Measures of an analysis: objects by their size, boundaries, calibration of probabilities, thresholds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation, distance_transform_edt
from skimage.segmentation import find_boundaries

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, percent
from custom_modules.evaluation.objects import match_objects
from custom_modules.evaluation.predictions import Prediction

# 1 to 3 pixels, 4 to 15, ...: 4^20 pixels are more than any image has
SIZE_BINS = 20
BINS = 15
THRESHOLDS = np.arange(2, 99) / 100


class ObjectSizes:
    """How well objects are found, and how often they are invented, by their size.

    What an object is, and when it is found or invented, is said in :mod:`custom_modules.evaluation.objects`; here those below
    the label limit count too. Sizes are pixels of area at the resolution of the scores, in bins that grow by the factor 4
    (the side of a square by 2).
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        # objects, their pixels, pixels found, objects found; predicted objects, invented ones
        self.counts = np.zeros((len(classes), SIZE_BINS, 6), np.int64)

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        counted = prediction.truth != IGNORED
        for index, counts in enumerate(self.counts[1:], start=1):
            match = match_objects(prediction.truth == index, (prediction.predicted == index) & counted)
            areas, bins = match.true_areas, _bin_of(match.true_areas)
            for column, values in enumerate([areas > 0, areas, match.true_hits, match.found]):
                np.add.at(counts[:, column], bins, values)
            for column, values in enumerate([match.areas > 0, match.invented], start=4):
                np.add.at(counts[:, column], _bin_of(match.areas), values)

    def table(self) -> pd.DataFrame:
        """Lay out the counts per ``class`` and ``size`` (pixels), from the smallest size to the largest that occurs.

        These are ``objects`` (true ones), ``pixels`` of them, ``recall`` (percent of these pixels that were found),
        ``found`` (percent of the objects of which at least half was found), ``predicted`` (predicted objects),
        ``false_alarms`` (percent of these that are invented).
        """
        tables = []
        for name, counts in zip(self.classes[1:], self.counts[1:], strict=True):
            last = np.flatnonzero(counts.any(axis=1)).max(initial=-1)
            objects, pixels, hit, found, drawn, false = counts[: last + 1].T
            columns = {
                'class': name,
                'size': [f'{4**i}-{4 ** (i + 1) - 1}' for i in range(last + 1)],
                'objects': objects,
                'pixels': pixels,
                'recall': percent(hit, pixels),
                'found': percent(found, objects),
                'predicted': drawn,
                'false_alarms': percent(false, drawn),
            }
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)


def _bin_of(areas: np.ndarray) -> np.ndarray:
    # exact for whole numbers, which a logarithm is not
    return np.array([(int(area).bit_length() - 1) // 2 for area in areas], np.int64)


def boundary_f1(
    truth: np.ndarray, predicted: np.ndarray, tolerance: float | None = None, ignored: np.ndarray | None = None
) -> float:
    """Score the outline of a class: F1 of the boundary pixels that lie near the other mask's boundary.

    As in `What is a good evaluation measure for semantic segmentation? <https://doi.org/10.5244/C.27.32>`_ (Csurka et
    al., BMVC 2013). A boundary is the outermost pixels of an object; where it leaves the image it has none. The score
    is in percent, 0 if one mask alone has a boundary, nan if none has.

    Args:
        truth (np.ndarray): Where the class is (H, W), bool.
        predicted (np.ndarray): Where it is predicted (H, W), bool.
        tolerance (float, optional): Distance between pixel centres that is near. Default: 0.75 % of the diagonal, 1 pixel at least.
        ignored (np.ndarray, optional): Pixels without a class (H, W), bool: boundaries in and beside them do not count.
    """
    if tolerance is None:
        tolerance = max(1.0, 0.0075 * float(np.hypot(*truth.shape)))
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


class Calibration:
    """Whether a probability of 0.8 is right in 80 % of the cases: the reliability curve and its error.

    `On Calibration of Modern Neural Networks <https://arxiv.org/abs/1706.04599>`_: 15 bins of the same width. With two classes
    it is the probability of class 1 against how often class 1 is there; with more, the highest probability against how often
    its class is right. Every pixel counts alike, so images that are mostly background say most about the background.
    The sums of each bin are exact, and do not grow with the set.
    """

    def __init__(self) -> None:
        self.edges = np.linspace(0, 1, BINS + 1)
        self.sums = np.zeros((3, BINS))  # pixels, sum of their probabilities, pixels that are right

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        counted = prediction.truth != IGNORED
        if len(prediction.probabilities) == 2:
            confidence, right = prediction.probabilities[1], prediction.truth == 1
        else:
            confidence = prediction.probabilities.max(axis=0)
            right = prediction.predicted == prediction.truth
        confidence, right = confidence[counted].astype(float), right[counted]
        # an edge belongs to the bin below it, as in scikit-learn's calibration_curve
        bins = np.searchsorted(self.edges[1:-1], confidence)
        for sums, weights in zip(self.sums, (None, confidence, right), strict=True):
            sums += np.bincount(bins, weights, minlength=BINS)

    def table(self) -> pd.DataFrame:
        """Lay out the curve.

        Per bin ``from`` and ``to``, ``pixels``, their mean ``probability`` and the share that is ``right``, all but
        ``pixels`` from 0 to 1; nan in an empty bin.
        """
        pixels, total, right = self.sums
        with np.errstate(invalid='ignore'):
            means = dict(probability=total / pixels, right=right / pixels)
        ends = {'from': self.edges[:-1], 'to': self.edges[1:]}
        return pd.DataFrame(ends | dict(pixels=pixels.astype(np.int64)) | means)

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: the mean distance of probability and share, weighted by pixels."""
        pixels, total, right = self.sums
        return float(np.abs(total - right).sum() / pixels.sum()) if pixels.any() else float('nan')

    @property
    def means(self) -> tuple[float, float]:
        """Mean probability, and share that is right, over all pixels; 0 to 1."""
        pixels, total, right = self.sums.sum(axis=1)
        return (float(total / pixels), float(right / pixels)) if pixels else (np.nan, np.nan)


class ThresholdSweep:
    """The scores of class 1 at each threshold from 0.02 to 0.98, exact, in one pass.

    A pixel is class 1 if its probability is above the threshold, compared in float32 as mmseg does. It is counted by how many
    thresholds it exceeds, which is all that any of them needs to know.
    """

    def __init__(self) -> None:
        # pixels by true class and number of thresholds exceeded
        self.counts = np.zeros((2, len(THRESHOLDS) + 1), np.int64)

    def add(self, prediction: Prediction) -> None:
        """Count one image of two classes."""
        exceeded = np.searchsorted(THRESHOLDS.astype(np.float32), prediction.probabilities[1])
        for label, counts in enumerate(self.counts):
            counts += np.bincount(exceeded[prediction.truth == label], minlength=len(counts))

    def table(self) -> pd.DataFrame:
        """Lay out the scores of class 1 in the whole set: per ``threshold`` in percent ``Dice``, ``IoU``, ``precision``, ``recall``."""
        # above threshold i are those that exceed more than i
        above = self.counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        below = self.counts.sum(axis=1)[:, None] - above
        # (thresholds, true classes, predicted ones)
        scores = ConfusionScores(np.stack([below.T, above.T], axis=-1)).by_class()
        return pd.DataFrame(dict(threshold=THRESHOLDS, **{k: v[:, 1] for k, v in scores.items()}))

    @property
    def best(self) -> int:
        """Index of the threshold with the best Dice; of several that are equal the middle one."""
        dice = np.nan_to_num(self.table().Dice.to_numpy())
        ties = np.flatnonzero(dice == dice.max())
        return int(ties[len(ties) // 2])

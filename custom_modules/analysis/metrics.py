"""Metrics of an error analysis: objects by size, boundaries, calibration, thresholds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation, distance_transform_edt
from skimage.segmentation import find_boundaries

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, percent, ratio
from custom_modules.evaluation.objects import match_objects
from custom_modules.evaluation.predictions import Prediction

SIZE_BINS = 20  # 1 to 3 pixels, 4 to 15, ..., up to 4^20, more than any image has
BINS = 15
THRESHOLDS = np.arange(2, 99) / 100


class ObjectSizes:
    """How many objects are found or invented, as defined in :mod:`custom_modules.evaluation.objects`, by area in pixels.

    Objects below the label limit count too. Each bin's areas are four times those of the one before.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        # true objects, their pixels, pixels found, objects found; predicted objects, invented ones
        self.counts = np.zeros((len(classes), SIZE_BINS, 6), np.int64)

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        counted = prediction.truth != IGNORED
        for index, counts in enumerate(self.counts[1:], start=1):
            match = match_objects(prediction.truth == index, (prediction.predicted == index) & counted)
            true = [match.true_areas > 0, match.true_areas, match.true_hits, match.found]
            np.add.at(counts[:, :4], _size_bin(match.true_areas), np.stack(true, axis=-1))
            np.add.at(counts[:, 4:], _size_bin(match.areas), np.stack([match.areas > 0, match.invented], axis=-1))

    def table(self) -> pd.DataFrame:
        """Return a row per ``class`` and ``size`` (pixels), from the smallest bin to the largest with objects.

        The columns are true ``objects``, their ``pixels``, ``recall`` (percent of these pixels that are predicted), ``found``
        (percent of the true objects), ``predicted`` objects and ``false_alarms`` (percent of these that are invented).
        """
        tables = []
        for name, counts in zip(self.classes[1:], self.counts[1:], strict=True):
            bins = np.flatnonzero(counts.any(axis=1)).max(initial=-1) + 1
            objects, pixels, hits, found, predicted, invented = counts[:bins].T
            sizes = [f'{4**i}-{4 ** (i + 1) - 1}' for i in range(bins)]
            table = pd.DataFrame({'class': name, 'size': sizes, 'objects': objects, 'pixels': pixels})
            shares = dict(recall=percent(hits, pixels), found=percent(found, objects))
            tables.append(table.assign(**shares, predicted=predicted, false_alarms=percent(invented, predicted)))
        return pd.concat(tables, ignore_index=True)


def _size_bin(areas: np.ndarray) -> np.ndarray:
    # exact, unlike a logarithm
    return (np.frexp(areas)[1] - 1) // 2


def boundary_f1(
    truth: np.ndarray, predicted: np.ndarray, tolerance: float | None = None, ignored: np.ndarray | None = None
) -> float:
    """Compute the F1, in percent, of the boundary pixels of two masks that are near the other mask's boundary.

    `What is a good evaluation measure for semantic segmentation? <https://doi.org/10.5244/C.27.32>`_ (Csurka et al., BMVC
    2013). The boundary is the outermost pixels of objects, without the image's border. The score is 0 if only one mask has a
    boundary, nan if none has.

    Args:
        truth (np.ndarray): True mask of a class (H, W), bool.
        predicted (np.ndarray): Its predicted mask (H, W), bool.
        tolerance (float, optional): Greatest distance in pixels that is near. Defaults to 0.75 % of the diagonal, at least 1.
        ignored (np.ndarray, optional): Ignored pixels (H, W), bool; boundaries in and beside them do not count.
    """
    if tolerance is None:
        tolerance = max(1.0, 0.0075 * float(np.hypot(*truth.shape)))
    true, found = (find_boundaries(mask, connectivity=1, mode='inner') for mask in (truth, predicted))
    if ignored is not None and ignored.any():
        counted = ~binary_dilation(ignored)
        true, found = true & counted, found & counted
    if not true.any() or not found.any():
        return 0.0 if true.any() or found.any() else float('nan')
    recall = (distance_transform_edt(~found)[true] <= tolerance).mean()
    precision = (distance_transform_edt(~true)[found] <= tolerance).mean()
    return float(200 * precision * recall / (precision + recall)) if precision + recall else 0.0


class Calibration:
    """The reliability curve and its error: whether a probability of 0.8 is right in 80 % of the cases.

    `On Calibration of Modern Neural Networks <https://arxiv.org/abs/1706.04599>`_, with 15 bins of the same width. For two
    classes it compares the probability of class 1 with the share of class 1; for more, the highest probability with the share
    of correct pixels. All pixels have equal weight, so the background dominates.
    """

    def __init__(self) -> None:
        self.edges = np.linspace(0, 1, BINS + 1)
        self.sums = np.zeros((3, BINS))  # pixels, sum of their probabilities, correct pixels

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        counted = prediction.truth != IGNORED
        if len(prediction.probabilities) == 2:
            confidence, right = prediction.probabilities[1], prediction.truth == 1
        else:
            confidence = prediction.probabilities.max(axis=0)
            right = prediction.predicted == prediction.truth
        confidence, right = confidence[counted].astype(float), right[counted]
        # edges belong to the bin below, as in scikit-learn's calibration_curve
        bins = np.searchsorted(self.edges[1:-1], confidence)
        for sums, weights in zip(self.sums, (None, confidence, right), strict=True):
            sums += np.bincount(bins, weights, minlength=BINS)

    def table(self) -> pd.DataFrame:
        """Return a row per bin: ``from``, ``to``, ``pixels``, mean ``probability`` and share that is ``right`` (nan if empty)."""
        pixels, total, right = self.sums
        columns = self.edges[:-1], self.edges[1:], pixels.astype(np.int64), ratio(total, pixels), ratio(right, pixels)
        return pd.DataFrame(dict(zip(('from', 'to', 'pixels', 'probability', 'right'), columns, strict=True)))

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: mean difference of probability and share, weighted by pixels."""
        pixels, total, right = self.sums
        return float(ratio(np.abs(total - right).sum(), pixels.sum()))

    @property
    def means(self) -> tuple[float, float]:
        """Mean probability, and share that is right, of all pixels, 0 to 1."""
        pixels, total, right = self.sums.sum(axis=1)
        return float(ratio(total, pixels)), float(ratio(right, pixels))


class ThresholdSweep:
    """The exact scores of class 1 at each threshold from 0.02 to 0.98, compared in float32 as mmseg does."""

    def __init__(self) -> None:
        # pixels by true class and number of thresholds exceeded, which gives the confusion matrix at each threshold
        self.counts = np.zeros((2, len(THRESHOLDS) + 1), np.int64)

    def add(self, prediction: Prediction) -> None:
        """Count one image of two classes."""
        exceeded = np.searchsorted(THRESHOLDS.astype(np.float32), prediction.probabilities[1])
        for label, counts in enumerate(self.counts):
            counts += np.bincount(exceeded[prediction.truth == label], minlength=len(counts))

    def table(self) -> pd.DataFrame:
        """Return a row per ``threshold``: ``Dice``, ``IoU``, ``precision`` and ``recall`` of all pixels, in percent."""
        # pixels above threshold i exceed more than i thresholds
        above = self.counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        below = self.counts.sum(axis=1)[:, None] - above
        # confusion matrices (thresholds, true classes, predicted classes)
        scores = ConfusionScores(np.stack([below.T, above.T], axis=-1)).by_class()
        return pd.DataFrame(dict(threshold=THRESHOLDS, **{k: v[:, 1] for k, v in scores.items()}))

    @property
    def best(self) -> int:
        """Index of the threshold with the best Dice, the middle one of ties."""
        dice = np.nan_to_num(self.table().Dice.to_numpy())
        ties = np.flatnonzero(dice == dice.max())
        return int(ties[len(ties) // 2])

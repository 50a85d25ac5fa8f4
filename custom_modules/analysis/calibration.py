"""Probabilities: calibration and thresholds."""

import numpy as np
import pandas as pd

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.evaluation.predictions import Prediction

BINS = 15


class Calibration:
    """Whether a probability of 0.8 is right in 80 % of the cases: the reliability curve and its error.

    `On Calibration of Modern Neural Networks <https://arxiv.org/abs/1706.04599>`_: 15 bins of the same width. With two classes
    it is the probability of class 1 against how often class 1 is there; with more, the highest probability against how often
    its class is right. Every pixel counts alike, so images that are mostly background say most about the background.
    The sums of each bin are exact, and do not grow with the set.

    Example:
        >>> probability = np.array([[[0.9, 0.8, 0.3]]], np.float32)
        >>> found = Calibration()
        >>> found.add(Prediction('', np.array([[1, 0, 0]]), None, np.concatenate([1 - probability, probability])))
        >>> round(found.ece, 4)  # (|0.9 - 1| + |0.8 - 0| + |0.3 - 0|) / 3
        0.4
    """

    def __init__(self) -> None:
        self.edges = np.linspace(0, 1, BINS + 1)
        # pixels, sum of their probabilities, pixels that are right
        self.sums = np.zeros((3, BINS))

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

        Returns:
            pd.DataFrame: Per bin ``from`` and ``to``, ``pixels``, their mean ``probability`` and the share that is ``right``, all
            but ``pixels`` from 0 to 1; nan in an empty bin.
        """
        pixels, total, right = self.sums
        with np.errstate(invalid='ignore'):
            return pd.DataFrame(
                {
                    'from': self.edges[:-1],
                    'to': self.edges[1:],
                    'pixels': pixels.astype(np.int64),
                    'probability': total / pixels,
                    'right': right / pixels,
                }
            )

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


THRESHOLDS = np.arange(2, 99) / 100


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
        rows = []
        for i, threshold in enumerate(THRESHOLDS):
            scores = ConfusionScores(np.stack([below[:, i], above[:, i]], axis=1)).by_class()
            rows.append(dict(threshold=threshold, **{k: float(v[1]) for k, v in scores.items()}))
        return pd.DataFrame(rows)

    @property
    def best(self) -> int:
        """Index of the threshold with the best Dice; of several that are equal the middle one."""
        dice = np.nan_to_num(self.table().Dice.to_numpy())
        ties = np.flatnonzero(dice == dice.max())
        return int(ties[len(ties) // 2])


def threshold_choice(
    val: ThresholdSweep, part: ThresholdSweep, default: float, default_dice: float, same_data: bool
) -> dict:
    """Choose the threshold with the best Dice on the validation part, and say what it scores on the part that is analysed.

    Its config has the threshold ``default``, which scores ``default_dice`` percent on the part. ``same_data`` says that both
    parts share images: then the score is too good.

    Returns:
        dict: ``best``, ``val_dice`` (at the best), ``dice`` (at the best, on the part), ``default``, ``default_dice``,
        ``same_data``, ``config`` (the line that sets it), ``val`` and ``part`` (all thresholds' scores, tables).
    """
    best = float(THRESHOLDS[val.best])
    on_val, on_part = val.table(), part.table()
    return dict(
        best=best,
        val_dice=float(on_val.Dice[val.best]),
        dice=float(on_part.Dice[val.best]),
        default=default,
        default_dice=default_dice,
        same_data=same_data,
        config=f'model = dict(decode_head=dict(threshold={best:g}))',
        val=on_val,
        part=on_part,
    )

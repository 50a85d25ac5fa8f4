import numpy as np
import pandas as pd

from custom_modules.datasets.index_masks import IGNORED
from custom_modules.evaluation.prediction import Prediction

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
        """Count one image.

        Args:
            prediction (Prediction): The image.
        """
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

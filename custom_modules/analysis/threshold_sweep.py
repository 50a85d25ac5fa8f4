import numpy as np
import pandas as pd

from custom_modules.evaluation.confusion_scores import ConfusionScores
from custom_modules.evaluation.prediction import Prediction

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
        """Count one image.

        Args:
            prediction (Prediction): The image, of two classes.
        """
        exceeded = np.searchsorted(THRESHOLDS.astype(np.float32), prediction.probabilities[1])
        for label, counts in enumerate(self.counts):
            counts += np.bincount(exceeded[prediction.truth == label], minlength=len(counts))

    def table(self) -> pd.DataFrame:
        """Lay out the scores of the whole set.

        Returns:
            pd.DataFrame: Per ``threshold`` in percent ``Dice``, ``IoU``, ``precision`` and ``recall`` of class 1.
        """
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

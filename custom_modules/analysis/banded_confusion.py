from collections.abc import Sequence

import numpy as np
import pandas as pd

from custom_modules.datasets.index_masks import IGNORED
from custom_modules.evaluation.confusion_scores import ConfusionScores


class BandedConfusion:
    """Scores in parts of the images: each pixel belongs to a band, and each band has a confusion matrix.

    Args:
        classes (Sequence[str]): Names of the classes, the background first.
        bands (Sequence[str]): Names of the bands.

    Example:
        >>> halves = BandedConfusion(('background', 'rock'), ('left', 'right'))
        >>> halves.add(np.array([[0, 1]]), truth=np.array([[1, 1]]), predicted=np.array([[1, 0]]))
        >>> halves.table()['recall'].tolist()
        [100.0, 0.0]
    """

    def __init__(self, classes: Sequence[str], bands: Sequence[str]) -> None:
        self.classes, self.bands = tuple(classes), tuple(bands)
        self.confusion = np.zeros((len(bands), len(classes), len(classes)), np.int64)

    def add(self, band: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count one image.

        Args:
            band (np.ndarray): Index of each pixel's band (H, W), or what can be broadcast to that; -1 is left out.
            truth (np.ndarray): True class indices (H, W); 255 is left out.
            predicted (np.ndarray): Predicted class indices (H, W).
        """
        band = np.broadcast_to(band, truth.shape)
        counted = (truth != IGNORED) & (band >= 0)
        count = len(self.classes)
        where = (band[counted] * count + truth[counted].astype(np.int64)) * count
        pixels = np.bincount(where + predicted[counted], minlength=self.confusion.size)
        self.confusion += pixels.reshape(self.confusion.shape)

    def table(self) -> pd.DataFrame:
        """Lay out the scores, pooled over the pixels of each band.

        Returns:
            pd.DataFrame: Per ``class`` (but the background) and ``band``: ``share`` (percent of the class's true pixels that
            lie there), ``Dice``, ``precision``, ``recall`` in percent, nan where there is nothing to count.
        """
        scores = [ConfusionScores(confusion).by_class() for confusion in self.confusion]
        rows = []
        for index, name in enumerate(self.classes[1:], start=1):
            true = self.confusion[:, index].sum(axis=1)
            for band, pixels, found in zip(self.bands, true, scores, strict=True):
                share = 100 * pixels / true.sum() if true.sum() else np.nan
                own = {
                    score: float(found[score][index]) for score in ('Dice', 'precision', 'recall')
                }
                rows.append({'class': name, 'band': band, 'share': share, **own})
        return pd.DataFrame(rows)

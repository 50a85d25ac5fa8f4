from collections.abc import Sequence

import numpy as np

from custom_modules.datasets.index_masks import IGNORED


class ConfusionScores:
    """The scores of a segmentation, from its confusion matrix; all in percent.

    They are those of ``ClassIoUMetric`` without its rounding. Matrices add up, so the scores of a set are those of
    ``sum(of each image)``: pixels of all images counted together.

    Args:
        confusion (np.ndarray): Pixels (classes, classes), rows the true classes, columns the predicted ones.

    Example:
        >>> scores = ConfusionScores.of(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 1]]), 2)
        >>> scores.dice.round(2).tolist(), scores.accuracy.round(2).item()
        ([66.67, 66.67], 66.67)
    """

    def __init__(self, confusion: np.ndarray) -> None:
        self.confusion = np.asarray(confusion, np.int64)

    @classmethod
    def of(cls, truth: np.ndarray, predicted: np.ndarray, classes: int) -> 'ConfusionScores':
        """Count one image.

        Args:
            truth (np.ndarray): True class indices (H, W); 255 is left out.
            predicted (np.ndarray): Predicted class indices (H, W).
            classes (int): Number of classes.
        """
        counted = truth != IGNORED
        pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
        return cls(np.bincount(pairs, minlength=classes**2).reshape(classes, classes))

    def __add__(self, other: 'ConfusionScores') -> 'ConfusionScores':
        return ConfusionScores(self.confusion + other.confusion)

    @property
    def dice(self) -> np.ndarray:
        """Dice of each class: nan for one that is neither there nor predicted."""
        return _percent(2 * self._hit, self._true + self._predicted)

    @property
    def iou(self) -> np.ndarray:
        """IoU of each class: nan for one that is neither there nor predicted."""
        return _percent(self._hit, self._true + self._predicted - self._hit)

    @property
    def precision(self) -> np.ndarray:
        """Share of each class's predicted pixels that are right: nan for one that is never predicted."""
        return _percent(self._hit, self._predicted)

    @property
    def recall(self) -> np.ndarray:
        """Share of each class's true pixels that are found: nan for one that is not there."""
        return _percent(self._hit, self._true)

    @property
    def accuracy(self) -> np.ndarray:
        """Share of the pixels that are right, ``aAcc`` in mmseg's words."""
        return _percent(self._hit.sum(), self.confusion.sum())

    def named(self, classes: Sequence[str]) -> dict[str, float]:
        """Name the scores as ``ClassIoUMetric`` does.

        Args:
            classes (Sequence[str]): Names of the classes, the background first.

        Returns:
            dict[str, float]: ``aAcc``, ``mIoU``, ``mDice``, and Dice and IoU of each class but the background.
        """
        dice, iou = self.dice, self.iou
        means = dict(aAcc=self.accuracy, mIoU=_mean(iou), mDice=_mean(dice))
        own = {
            f'{name}_{score}': values[index]
            for index, name in enumerate(classes)
            if index
            for score, values in (('Dice', dice), ('IoU', iou))
        }
        return {name: float(value) for name, value in (means | own).items()}

    def by_class(self) -> dict[str, np.ndarray]:
        """Give ``Dice``, ``IoU``, ``precision`` and ``recall`` of each class."""
        return dict(Dice=self.dice, IoU=self.iou, precision=self.precision, recall=self.recall)

    @property
    def _hit(self) -> np.ndarray:
        return np.diagonal(self.confusion)

    @property
    def _true(self) -> np.ndarray:
        return self.confusion.sum(axis=1)

    @property
    def _predicted(self) -> np.ndarray:
        return self.confusion.sum(axis=0)


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(100 * part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float('nan')

"""Confusion matrices: scores from them, and their plot."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from custom_modules.datasets.masks import IGNORED
from custom_modules.utils.plotting import figure_png, plot_text

READABLE = 20  # most classes for which the plot shows numbers


def ratio(part: np.ndarray, whole: np.ndarray, absent: float = np.nan) -> np.ndarray:
    """Return parts divided by their wholes, and ``absent`` where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(whole.shape, absent), where=whole > 0)


def percent(part: np.ndarray, whole: np.ndarray, absent: float = np.nan) -> np.ndarray:
    """Return parts as percentages of their wholes, and ``absent`` where the whole is 0."""
    return ratio(100 * np.asarray(part, float), whole, absent)


def class_scores(hit: np.ndarray, true: np.ndarray, predicted: np.ndarray, absent: float = np.nan) -> dict[str, np.ndarray]:
    """Compute ``Dice``, ``IoU``, ``precision`` and ``recall`` in percent, ``absent`` for 0/0.

    The arguments are numbers of pixels, of one shape: true positives (``hit``), pixels of the class, and pixels predicted as it.
    """
    return dict(
        Dice=percent(2 * hit, true + predicted, absent),
        IoU=percent(hit, true + predicted - hit, absent),
        precision=percent(hit, predicted, absent),
        recall=percent(hit, true, absent),
    )


class ConfusionScores:
    """Scores of a segmentation from its confusion matrix, in percent: those of ``ClassIoUMetric`` without its rounding.

    Adding the objects of several images gives the scores of all their pixels together.

    Args:
        confusion (np.ndarray): Numbers of pixels (..., classes, classes), rows the true classes, columns the predicted ones.
            Leading dimensions, such as images, are leading dimensions of each score.
        absent (float): Score of a class that is neither true nor predicted anywhere. Defaults to nan.

    Example:
        >>> scores = ConfusionScores.from_masks(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 1]]), 2)
        >>> scores.dice.round(2).tolist(), scores.accuracy.round(2).item()
        ([66.67, 66.67], 66.67)
    """

    def __init__(self, confusion: np.ndarray, absent: float = np.nan) -> None:
        self.confusion = np.asarray(confusion, np.int64)
        self.absent = absent

    @classmethod
    def from_masks(cls, truth: np.ndarray, predicted: np.ndarray, classes: int) -> 'ConfusionScores':
        """Count one image from true (H, W), where 255 is ignored, and predicted class indices (H, W)."""
        counted = truth != IGNORED
        pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
        return cls(np.bincount(pairs, minlength=classes**2).reshape(classes, classes))

    def __add__(self, other: 'ConfusionScores') -> 'ConfusionScores':
        return ConfusionScores(self.confusion + other.confusion)

    @property
    def dice(self) -> np.ndarray:
        """Dice of each class."""
        return self.by_class()['Dice']

    @property
    def foreground_dice(self) -> float:
        """Mean Dice of the classes but the background, without those that are absent; nan if all are."""
        return float(class_mean(self.dice[1:]))

    @property
    def accuracy(self) -> np.ndarray:
        """Share of correct pixels, mmseg's ``aAcc``; nan without pixels."""
        return percent(np.trace(self.confusion, axis1=-2, axis2=-1), self.confusion.sum(axis=(-2, -1)))

    def by_class(self) -> dict[str, np.ndarray]:
        """Return ``Dice``, ``IoU``, ``precision`` and ``recall`` of each class."""
        hit = np.diagonal(self.confusion, axis1=-2, axis2=-1)
        true, predicted = self.confusion.sum(axis=-1), self.confusion.sum(axis=-2)
        return class_scores(hit, true, predicted, self.absent)

    def named(self, classes: Sequence[str]) -> dict[str, float | np.ndarray]:
        """Name scores as ``ClassIoUMetric``: ``aAcc``, means, Dice and IoU of each class but the first; arrays for several images."""
        scores = self.by_class()
        dice, iou = scores['Dice'], scores['IoU']
        named = dict(aAcc=self.accuracy, mIoU=class_mean(iou), mDice=class_mean(dice))
        for index, name in enumerate(classes[1:], 1):
            named |= {f'{name}_Dice': dice[..., index], f'{name}_IoU': iou[..., index]}
        return named if self.confusion.ndim > 2 else {name: float(value) for name, value in named.items()}


def image_dice(confusions: np.ndarray) -> np.ndarray:
    """Compute each image's Dice in percent (images, classes) from its confusion matrix (images, classes, classes).

    It is 100 for a class that is neither true nor predicted in an image, and nan for an image whose pixels are all ignored.
    """
    scores = ConfusionScores(confusions, absent=100.0)
    return np.where(np.isfinite(scores.accuracy)[..., None], scores.dice, np.nan)


def class_mean(values: np.ndarray) -> np.ndarray:
    """Average scores (..., classes) over the classes, as ``np.nanmean``, without its warning where all are nan."""
    return np.ma.filled(np.ma.masked_invalid(values).mean(axis=-1), np.nan)


def draw_confusion(shares: np.ndarray, classes: Sequence[str], what: str = 'images', counts: np.ndarray | None = None) -> bytes:
    """Draw a row-normalised confusion matrix of up to 200 classes as PNG.

    ``shares`` are percentages of each true class (row) by predicted class (column); a row of nan, of a class that does not occur,
    is grey. ``what`` names what was counted. Up to 20 classes the cells show the shares and, if given, the ``counts``.
    """
    readable = len(classes) <= READABLE
    cell = 0.16  # inches
    if readable:
        cell = 0.45 if counts is None else 1.05
    side = min(3 + cell * len(classes), 40)
    figure = Figure(figsize=(side, side))
    axes = figure.add_subplot(facecolor='lightgrey')
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100, interpolation='nearest')
    figure.colorbar(image, ax=axes, fraction=0.04, pad=0.03).set_label(f"share of the true class's {what} (%)")
    size = dict(fontsize=9 if readable else 7)
    names = [plot_text(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=90, **size)
    axes.set_yticks(range(len(names)), names, **size)
    axes.set(xlabel='predicted class', ylabel='true class')
    if not readable:
        return figure_png(figure)
    for row, column in np.argwhere(shares >= (0.5 if counts is None else 0)):
        share = shares[row, column]
        words = f'{share:.0f}' if counts is None else f'{share:.1f} %\n{counts[row, column]:,}'
        axes.text(column, row, words, ha='center', va='center', color='white' if share > 50 else 'black', **size)
    return figure_png(figure)

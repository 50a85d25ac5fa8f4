"""Errors by class, place and brightness."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from custom_modules.analysis.metrics import Calibration, ObjectSizes, ThresholdSweep
from custom_modules.analysis.selection import image_row
from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, frequent_confusions
from custom_modules.evaluation.predictions import Prediction

BRIGHTNESS_GROUPS = 4
# percent of the image's height below the horizon
EDGES = (0, 5, 10, 20, 40, 100)
HORIZON_BANDS = tuple(f'{low}-{high}' for low, high in zip(EDGES, EDGES[1:], strict=False))
ROWS = 8
ROW_BANDS = tuple(f'{100 * i / ROWS:g}-{100 * (i + 1) / ROWS:g}' for i in range(ROWS))


def group_scores(classes: Sequence[str], groups: Mapping[str, Sequence], confusions: np.ndarray) -> pd.DataFrame:
    """Score groups of pixels or images.

    Args:
        classes (Sequence[str]): Names of the classes, the background first.
        groups (Mapping[str, Sequence]): Columns that describe the groups.
        confusions (np.ndarray): Pixels of each group (groups, classes, classes), rows the true classes.

    Returns:
        pd.DataFrame: Per ``class`` (but the background) and group: its columns, ``share`` (percent of the class's true pixels that
        lie there), ``Dice``, ``precision``, ``recall`` in percent, nan where there is nothing to count.
    """
    scores = ConfusionScores(confusions).by_class()
    tables = []
    for index, name in enumerate(classes[1:], start=1):
        true = confusions[:, index].sum(axis=-1)
        share = 100 * true / true.sum() if true.any() else np.nan
        own = {score: scores[score][:, index] for score in ('Dice', 'precision', 'recall')}
        tables.append(pd.DataFrame({'class': name, **groups, 'share': share, **own}))
    return pd.concat(tables, ignore_index=True)


class BandedConfusion:
    """Scores in parts of the images: each pixel belongs to a band, and each band has a confusion matrix.

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
        """Count one image by true and predicted class indices (H, W); true 255 is left out.

        ``band`` is the index of each pixel's band, or what can be broadcast to that; -1 is left out.
        """
        band = np.broadcast_to(band, truth.shape)
        counted = (truth != IGNORED) & (band >= 0)
        np.add.at(self.confusion, (band[counted], truth[counted], predicted[counted]), 1)

    def table(self) -> pd.DataFrame:
        """Lay out the scores, pooled over the pixels of each ``band``: see :func:`group_scores`."""
        return group_scores(self.classes, dict(band=self.bands), self.confusion)


def brightness_groups(
    brightness: Sequence[float], confusions: Sequence[np.ndarray], classes: Sequence[str]
) -> pd.DataFrame:
    """Score the darkest quarter of the images, the next one, ... to the brightest: by mean brightness, 0 to 255, and confusion matrix.

    Returns:
        pd.DataFrame: Of :func:`group_scores`, without the share; a quarter's columns are ``brightness`` (its range) and
        ``images``. Fewer than four images: one each.
    """
    order = np.argsort(brightness, kind='stable')
    quarters = np.array_split(order, min(BRIGHTNESS_GROUPS, len(order)))
    ranges = [f'{brightness[own[0]]:.1f}-{brightness[own[-1]]:.1f}' for own in quarters]
    groups = dict(brightness=ranges, images=[len(own) for own in quarters])
    pooled = np.array([sum(confusions[i] for i in own) for own in quarters])
    return group_scores(classes, groups, pooled).drop(columns='share')


def horizon_bands(truth: np.ndarray, sky: int) -> np.ndarray:
    """Say how far below the horizon, the lowest pixel of the class ``sky`` in its column, each pixel lies.

    Returns:
        np.ndarray: Index in ``HORIZON_BANDS`` (H, W), -1 above the horizon and in columns without sky.

    Example:
        >>> horizon_bands(np.array([[1, 0]] * 1 + [[0, 0]] * 9), sky=1)[:, 0].tolist()
        [-1, 1, 2, 3, 3, 4, 4, 4, 4, 4]
    """
    height = len(truth)
    is_sky = truth == sky
    lowest = height - 1 - is_sky[::-1].argmax(axis=0)
    distance = np.arange(height)[:, None] - lowest
    bands = np.digitize(100 * distance / height, EDGES, right=True) - 1
    # at the horizon and above it the band is -1 already
    return np.where(is_sky.any(axis=0), bands, -1)


def row_bands(height: int) -> np.ndarray:
    """Cut an image into eight bands of the same height: index in ``ROW_BANDS`` of each row (H, 1), from the top."""
    return (np.arange(height) * ROWS // height)[:, None]


def confusion_sentences(confusion: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Name what is most often taken for what, by pixels (classes, classes), rows the true classes.

    Returns:
        pd.DataFrame: The ten pairs with the most pixels: ``true``, ``predicted``, ``pixels``, ``share`` (percent of the true class)
        and ``words``, a sentence.
    """
    rows = []
    for i, j in frequent_confusions(confusion, 10):
        true, predicted, pixels = classes[i], classes[j], int(confusion[i, j])
        share = 100 * pixels / int(confusion[i].sum())
        words = f'{share:.1f} % of {true} is taken for {predicted} ({pixels} pixels)'
        rows.append((true, predicted, pixels, share, words))
    return pd.DataFrame(rows, columns=['true', 'predicted', 'pixels', 'share', 'words'])


class ErrorAnalysis:
    """Looks at predictions from all sides: by image, object size, place, brightness, probability, outline.

    Scores are in percent and, but for those of single images and outlines, pooled over the pixels of the set; probabilities
    and thresholds are from 0 to 1. Pixels of 255 are left out everywhere.

    Args:
        classes (Sequence[str]): Names of the classes, the background first. If one is called sky, scores by the distance
            below the horizon are counted as well.
        threshold (float | None): Of a head with one channel, None of one with several.
        tolerance (float, optional): Of ``boundary_f1``, in pixels; by default 0.75 % of each image's diagonal.

    Attributes:
        sweep (ThresholdSweep | None): Of a head with one channel: each threshold's scores.
    """

    def __init__(self, classes: Sequence[str], threshold: float | None, tolerance: float | None = None) -> None:
        self.classes = tuple(classes)
        self.tolerance = tolerance
        self.images: list[dict] = []
        self.confusions: list[np.ndarray] = []
        self.sizes = ObjectSizes(classes)
        self.rows = BandedConfusion(classes, ROW_BANDS)
        lower = [name.lower() for name in classes]
        self.sky = lower.index('sky') if 'sky' in lower else None
        self.below_horizon = BandedConfusion(classes, HORIZON_BANDS)
        self.calibration = Calibration()
        self.sweep = ThresholdSweep() if threshold is not None else None

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        truth, predicted = prediction.truth, prediction.predicted
        self.images.append(image_row(prediction, self.classes, self.tolerance))
        self.confusions.append(prediction.scores.confusion)
        self.sizes.add(prediction)
        self.rows.add(row_bands(len(truth)), truth, predicted)
        if self.sky is not None:
            self.below_horizon.add(horizon_bands(truth, self.sky), truth, predicted)
        self.calibration.add(prediction)
        if self.sweep:
            self.sweep.add(prediction)

    def results(self) -> dict:
        """Sum up.

        Returns:
            dict: ``images`` (a table), ``means``, ``scores`` (a table by class), ``confusion``, ``confusions`` (the most
            frequent, a table), ``object_sizes``, ``rows``, ``horizon`` (None without sky), ``brightness`` (tables),
            ``calibration``.
        """
        confusion = sum(self.confusions)
        images = pd.DataFrame(self.images)
        scores = pd.DataFrame({'class': self.classes, **ConfusionScores(confusion).by_class()})
        outlines = [images.get(f'{name}_boundary_F1') for name in self.classes]
        scores['boundary_F1'] = [np.nan if own is None else own.mean() for own in outlines]
        horizon = None
        if self.sky is not None:
            horizon = self.below_horizon.table()
            horizon = horizon[horizon['class'] != self.classes[self.sky]]
        probability, right = self.calibration.means
        return dict(
            images=images,
            # of no class but the background: the means alone
            means=ConfusionScores(confusion).named(self.classes[:1]),
            scores=scores,
            confusion=confusion,
            confusions=confusion_sentences(confusion, self.classes),
            object_sizes=self.sizes.table(),
            rows=self.rows.table(),
            horizon=horizon,
            brightness=brightness_groups(images.brightness, self.confusions, self.classes),
            calibration=dict(
                bins=self.calibration.table(), ece=self.calibration.ece, mean_probability=probability, mean_right=right
            ),
        )

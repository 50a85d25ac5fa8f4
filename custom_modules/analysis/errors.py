"""Errors by image, class, place and brightness."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from custom_modules.analysis.metrics import Calibration, ObjectSizes, ThresholdSweep, boundary_f1
from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, percent
from custom_modules.evaluation.predictions import Prediction

BRIGHTNESS_GROUPS = 4
ROWS = 8
ROW_BANDS = tuple(f'{100 * i / ROWS:g}-{100 * (i + 1) / ROWS:g}' for i in range(ROWS))


def image_row(prediction: Prediction, classes: Sequence[str], tolerance: float | None = None) -> dict[str, float | str]:
    """Describe one image: how much of each class it has, how well that was found, how bright it is.

    There are ``name``, ``file``, ``brightness`` (mean of the pixels' three channels, 0 to 255), and per class in
    percent ``<class>_Dice``, ``_IoU``, ``_precision``, ``_recall``, ``_true_share``, ``_predicted_share`` and, but for
    the background, ``_boundary_F1``. What is undefined is nan.
    """
    confusion = prediction.scores.confusion
    columns = prediction.scores.by_class()
    columns['true_share'] = percent(confusion.sum(axis=1), confusion.sum())
    columns['predicted_share'] = percent(confusion.sum(axis=0), confusion.sum())
    row = dict(name=prediction.name, file=prediction.img_path, brightness=float(prediction.image.mean()))
    for index, name in enumerate(classes):
        row |= {f'{name}_{column}': float(values[index]) for column, values in columns.items()}
        if index:
            masks = (mask == index for mask in (prediction.truth, prediction.predicted))
            row[f'{name}_boundary_F1'] = boundary_f1(*masks, tolerance, prediction.truth == IGNORED)
    return row


def group_scores(classes: Sequence[str], groups: Mapping[str, Sequence], confusions: np.ndarray) -> pd.DataFrame:
    """Score groups of pixels or images, by the pixels of each group (groups, classes, classes), rows the true classes.

    ``groups`` are columns that describe them, ``classes`` the names of the classes, the background first. There is a
    row per ``class`` (but the background) and group: its columns, ``share`` (percent of the class's true pixels that
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


def brightness_groups(
    brightness: Sequence[float], confusions: Sequence[np.ndarray], classes: Sequence[str]
) -> pd.DataFrame:
    """Score the darkest quarter of the images, the next one, ... to the brightest: by mean brightness, 0 to 255, and confusion matrix.

    The table is that of :func:`group_scores` without the share; a quarter's columns are ``brightness`` (its range) and
    ``images``. Fewer than four images: one each.
    """
    order = np.argsort(brightness, kind='stable')
    quarters = np.array_split(order, min(BRIGHTNESS_GROUPS, len(order)))
    ranges = [f'{brightness[own[0]]:.1f}-{brightness[own[-1]]:.1f}' for own in quarters]
    groups = dict(brightness=ranges, images=[len(own) for own in quarters])
    pooled = np.array([sum(confusions[i] for i in own) for own in quarters])
    return group_scores(classes, groups, pooled).drop(columns='share')


def confusion_sentences(confusion: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Name what is most often taken for what, by pixels (classes, classes), rows the true classes.

    Of the ten pairs with the most pixels: ``true``, ``predicted``, ``pixels``, ``share`` (percent of the true class),
    ``words``.
    """
    rows = []
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    # of equals the first class comes first
    for i, j in sorted(np.argwhere(wrong).tolist(), key=lambda pair: -wrong[tuple(pair)])[:10]:
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
        classes (Sequence[str]): Names of the classes, the background first.
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
        self.rows = np.zeros((ROWS, len(classes), len(classes)), np.int64)  # of each eighth of the height, from the top
        self.calibration = Calibration()
        self.sweep = ThresholdSweep() if threshold is not None else None

    def add(self, prediction: Prediction) -> None:
        """Count one image."""
        truth, predicted = prediction.truth, prediction.predicted
        self.images.append(image_row(prediction, self.classes, self.tolerance))
        self.confusions.append(prediction.scores.confusion)
        self.sizes.add(prediction)
        band = np.broadcast_to((np.arange(len(truth)) * ROWS // len(truth))[:, None], truth.shape)
        counted = truth != IGNORED
        np.add.at(self.rows, (band[counted], truth[counted], predicted[counted]), 1)
        self.calibration.add(prediction)
        if self.sweep:
            self.sweep.add(prediction)

    def results(self) -> dict:
        """Sum up.

        In ``images``, ``scores`` (by class), ``confusions`` (the most frequent), ``object_sizes``, ``rows`` and
        ``brightness`` are tables, in ``means``, ``confusion`` and ``calibration`` numbers.
        """
        confusion = sum(self.confusions)
        images = pd.DataFrame(self.images)
        scores = pd.DataFrame({'class': self.classes, **ConfusionScores(confusion).by_class()})
        outlines = [images.get(f'{name}_boundary_F1') for name in self.classes]
        scores['boundary_F1'] = [np.nan if own is None else own.mean() for own in outlines]
        probability, right = self.calibration.means
        return dict(
            images=images,
            # of no class but the background: the means alone
            means=ConfusionScores(confusion).named(self.classes[:1]),
            scores=scores,
            confusion=confusion,
            confusions=confusion_sentences(confusion, self.classes),
            object_sizes=self.sizes.table(),
            rows=group_scores(self.classes, dict(band=ROW_BANDS), self.rows),
            brightness=brightness_groups(images.brightness, self.confusions, self.classes),
            calibration=dict(
                bins=self.calibration.table(), ece=self.calibration.ece, mean_probability=probability, mean_right=right
            ),
        )

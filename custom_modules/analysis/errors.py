"""Errors by image, class, position and brightness."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from custom_modules.analysis.metrics import Calibration, ObjectSizes, ThresholdSweep, boundary_f1
from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, percent
from custom_modules.evaluation.predictions import Prediction

BRIGHTNESS_GROUPS, ROWS = 4, 8
ROW_BANDS = tuple(f'{100 * i / ROWS:g}-{100 * (i + 1) / ROWS:g}' for i in range(ROWS))


def image_row(prediction: Prediction, classes: Sequence[str], tolerance: float | None = None) -> dict[str, float | str]:
    """Describe one image by its ``name``, ``file``, ``brightness`` (mean over pixels and channels, 0 to 255), and scores.

    These are per class in percent, or nan: ``<class>_Dice``, ``_IoU``, ``_precision``, ``_recall``, ``_true_share``,
    ``_predicted_share`` (of the pixels) and, without the background, ``_boundary_F1``.
    """
    scores = prediction.scores
    columns = scores.by_class()
    columns['true_share'] = percent(scores.confusion.sum(axis=1), scores.confusion.sum())
    columns['predicted_share'] = percent(scores.confusion.sum(axis=0), scores.confusion.sum())
    row = dict(name=prediction.name, file=prediction.img_path, brightness=float(prediction.image.mean()))
    for index, name in enumerate(classes):
        row |= {f'{name}_{column}': float(values[index]) for column, values in columns.items()}
        if index:
            truth, predicted = prediction.truth == index, prediction.predicted == index
            row[f'{name}_boundary_F1'] = boundary_f1(truth, predicted, tolerance, prediction.truth == IGNORED)
    return row


def group_scores(classes: Sequence[str], groups: Mapping[str, Sequence], confusions: np.ndarray) -> pd.DataFrame:
    """Score groups of pixels or images by their confusion matrices (groups, classes, classes).

    The table has a row per ``class`` (but the background) and group, with the columns of ``groups``, and in percent, or nan,
    ``share`` (of the class's true pixels), ``Dice``, ``precision`` and ``recall``.
    """
    scores = ConfusionScores(confusions).by_class()
    tables = []
    for index, name in enumerate(classes[1:], start=1):
        true = confusions[:, index].sum(axis=-1)
        columns = {score: scores[score][:, index] for score in ('Dice', 'precision', 'recall')}
        tables.append(pd.DataFrame({'class': name, **groups, 'share': percent(true, true.sum()), **columns}))
    return pd.concat(tables, ignore_index=True)


def brightness_groups(brightness: pd.Series, confusions: Sequence[np.ndarray], classes: Sequence[str]) -> pd.DataFrame:
    """Score four groups of images, from the darkest to the brightest, by mean brightness and confusion matrix of each image.

    The table is that of :func:`group_scores` without ``share``, with ``brightness`` (a range) and ``images`` (how many).
    """
    order = np.argsort(brightness, kind='stable')
    indices = np.array_split(order, min(BRIGHTNESS_GROUPS, len(order)))
    ranges = [f'{brightness[group[0]]:.1f}-{brightness[group[-1]]:.1f}' for group in indices]
    groups = dict(brightness=ranges, images=list(map(len, indices)))
    pooled = np.array([sum(confusions[i] for i in group) for group in indices])
    return group_scores(classes, groups, pooled).drop(columns='share')


def confusion_sentences(confusion: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """List the ten most frequent confusions of a confusion matrix (classes, classes).

    The columns are ``true``, ``predicted``, ``pixels``, ``share`` (percent of the true class) and ``words``, a sentence.
    """
    rows = []
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    for i, j in sorted(np.argwhere(wrong).tolist(), key=lambda pair: -wrong[tuple(pair)])[:10]:
        true, predicted, pixels = classes[i], classes[j], int(confusion[i, j])
        share = 100 * pixels / int(confusion[i].sum())
        words = f'{share:.1f} % of {true} is taken for {predicted} ({pixels} pixels)'
        rows.append((true, predicted, pixels, share, words))
    return pd.DataFrame(rows, columns=['true', 'predicted', 'pixels', 'share', 'words'])


class ErrorAnalysis:
    """Analyses predictions by image, object size, position, brightness, probability and boundary.

    Scores are in percent and, but for those of images and boundaries, of the pixels of all images together; probabilities and
    thresholds are from 0 to 1. True 255 is ignored everywhere.

    Args:
        classes (Sequence[str]): Names of the classes, the background first.
        threshold (float | None): Threshold of a head with one channel, None for several channels.
        tolerance (float, optional): Of :func:`boundary_f1`, in pixels. Defaults to 0.75 % of each image's diagonal.

    Attributes:
        sweep (ThresholdSweep | None): The scores of each threshold, for a head with one channel.
    """

    def __init__(self, classes: Sequence[str], threshold: float | None, tolerance: float | None = None) -> None:
        self.classes, self.tolerance = tuple(classes), tolerance
        self.images: list[dict] = []
        self.confusions: list[np.ndarray] = []
        self.sizes = ObjectSizes(classes)
        self.rows = np.zeros((ROWS, len(classes), len(classes)), np.int64)  # confusion by height, from the top
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
        """Return the tables ``images``, ``scores`` (by class), ``confusions``, ``object_sizes``, ``rows`` and ``brightness``.

        And the numbers ``means`` (over classes), ``confusion`` (the matrix) and ``calibration``.
        """
        confusion = sum(self.confusions)
        images = pd.DataFrame(self.images)
        scores = pd.DataFrame({'class': self.classes, **ConfusionScores(confusion).by_class()})
        scores['boundary_F1'] = [np.nan, *(images[f'{name}_boundary_F1'].mean() for name in self.classes[1:])]
        means = dict(zip(('mean_probability', 'mean_right'), self.calibration.means, strict=True))
        return dict(
            images=images,
            # without the scores of single classes
            means=ConfusionScores(confusion).named(self.classes[:1]),
            scores=scores,
            confusion=confusion,
            confusions=confusion_sentences(confusion, self.classes),
            object_sizes=self.sizes.table(),
            rows=group_scores(self.classes, dict(band=ROW_BANDS), self.rows),
            brightness=brightness_groups(images.brightness, self.confusions, self.classes),
            calibration=dict(bins=self.calibration.table(), ece=self.calibration.ece, **means),
        )

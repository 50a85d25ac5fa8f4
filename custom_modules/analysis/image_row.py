from collections.abc import Sequence

import numpy as np

from custom_modules.datasets.index_masks import IGNORED
from custom_modules.evaluation.confusion_scores import ConfusionScores
from custom_modules.evaluation.prediction import Prediction

from .boundary_f1 import boundary_f1


def image_row(
    prediction: Prediction, classes: Sequence[str], tolerance: float | None = None
) -> dict[str, float | str]:
    """Describe one image: how much of each class it has, how well that was found, how bright it is.

    Args:
        prediction (Prediction): The image.
        classes (Sequence[str]): Names of the classes, the background first.
        tolerance (float, optional): Of :func:`boundary_f1`, in pixels.

    Returns:
        dict[str, float | str]: ``name``, ``file``, ``brightness`` (mean of the pixels' three channels, 0 to 255), and per
        class in percent ``<class>_Dice``, ``_IoU``, ``_precision``, ``_recall``, ``_true_share``, ``_predicted_share`` and,
        but for the background, ``_boundary_F1``. What is undefined is nan.
    """
    confusion = prediction.scores.confusion
    columns = ConfusionScores(confusion).by_class()
    with np.errstate(invalid='ignore'):
        columns['true_share'] = 100 * confusion.sum(axis=1) / confusion.sum()
        columns['predicted_share'] = 100 * confusion.sum(axis=0) / confusion.sum()
    row = dict(
        name=prediction.name, file=prediction.img_path, brightness=float(prediction.image.mean())
    )
    for index, name in enumerate(classes):
        row |= {f'{name}_{column}': float(values[index]) for column, values in columns.items()}
        if index:
            masks = (mask == index for mask in (prediction.truth, prediction.predicted))
            ignored = prediction.truth == IGNORED
            row[f'{name}_boundary_F1'] = boundary_f1(*masks, tolerance, ignored)
    return row

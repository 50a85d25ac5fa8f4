"""Which images are shown."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Subset

from custom_modules.analysis.metrics import boundary_f1
from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import percent
from custom_modules.evaluation.predictions import CheckpointPredictions, Prediction
from custom_modules.utils.errors import UsageError, first_five


def find_images(given: Sequence[str], paths: Sequence[str], part: str) -> list[int]:
    """Find the images that a user names in a data set (``paths``): by name, with or without suffix, which may fit several, or by path.

    Raises a UsageError if there is no such image in the part that is called ``part``.
    """
    files = [Path(path).resolve() for path in paths]
    found: list[int] = []
    for name in given:
        path = Path(name).expanduser().resolve()
        own = [i for i, file in enumerate(files) if name in (file.name, file.stem) or path == file]
        if not own:
            raise UsageError(
                f'there is no image {name} among the {len(files)} of the {part} part ({first_five(file.stem for file in files)}): '
                'choose one of them or another --part; in any photograph tools/predict.py finds rocks.'
            )
        found += own
    # each once, in the order given
    return list(dict.fromkeys(found))


def best_median_worst(scores: Sequence[float], count: int) -> dict[str, list[tuple[int, int]]]:
    """Choose the best, the middle and the worst of a ranking, ``count`` of each kind and each at most once.

    Scores of nan are not ranked; fewer than three times as many scores are shared out. Of equal scores the earlier is
    better. Under ``best``, ``median`` and ``worst`` are rank (from 1) and index in ``scores``, by rank.
    """
    scores = np.asarray(scores, float)
    order = [int(i) for i in np.argsort(-scores, kind='stable') if np.isfinite(scores[i])]
    ranked = list(enumerate(order, start=1))
    edge = min(count, max((len(ranked) + 1) // 3, 1))
    rest = ranked[edge : len(ranked) - edge]
    begin = max(len(rest) - count, 0) // 2
    return dict(best=ranked[:edge], median=rest[begin : begin + count], worst=ranked[edge:][-edge:])


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


def image_paths(dataset) -> list[str]:
    """List the files of a data set's images, in its order."""
    return [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]


def chosen_predictions(predictions: CheckpointPredictions, chosen: Sequence[int]) -> CheckpointPredictions:
    """Predict some images only, by index, in their order, with the model that is loaded already."""
    own = copy.copy(predictions)
    images = Subset(predictions.loader.dataset, chosen)
    # one at a time: files may differ in size
    own.loader = DataLoader(images, batch_size=1, collate_fn=predictions.loader.collate_fn)
    return own

"""Scores of mask files against true mask files, at the size that they have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.evaluation.objects import LABEL_LIMIT, match_objects, object_f1
from custom_modules.preparation.coco import MaskPairs
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_mask
from custom_modules.utils.tables import progress


def score_mask_files(
    predicted: Path, true: Path, classes: Sequence[str], img_prefix: str = '', mask_prefix: str = ''
) -> list[dict]:
    """Score every class but the first, by pixels, images and objects.

    Args:
        predicted (Path): Folder of masks named after their pictures, PNG: 0/255 for two classes, else class indices.
        true (Path): Folder of true masks, PNG: the same; of two classes 0/1 too.
        classes (Sequence[str]): Names of the classes.
        img_prefix (str): What a picture's name has before what both share, such as ``'render'``. Defaults to nothing.
        mask_prefix (str): What a true mask's name has before it, such as ``'ground'``. Defaults to nothing.

    Returns:
        list[dict]: Of each class ``class``, ``images``, ``Dice`` of all pixels together, ``image_Dice``, the mean over the
        images, and ``object_F1``; the rules are those of ``ClassIoUMetric``.

    Raises:
        UsageError: If a mask is missing, has another size, or several channels.
    """
    pairs = MaskPairs(predicted, true, img_prefix, mask_prefix).pairs
    confusions, objects = [], np.zeros((len(classes), 4), np.int64)
    for ours, theirs in progress(pairs, 'Scoring', len(pairs)):
        found, truth = (_labels(path, len(classes)) for path in (ours, theirs))
        if found.shape != truth.shape:
            sizes = '{}x{} and {}x{}'.format(*found.shape[::-1], *truth.shape[::-1])
            raise UsageError(f'{ours} and {theirs} are {sizes} pixels: give masks of equal size.')
        confusions.append(ConfusionScores.from_masks(truth, found, len(classes)).confusion)
        for label in range(1, len(classes)):
            match = match_objects(truth == label, (found == label) & (truth != IGNORED))
            objects[label] += match.counts(LABEL_LIMIT * truth.size)
    pooled = ConfusionScores(np.sum(confusions, axis=0)).dice
    of_images = np.nanmean(image_dice(np.stack(confusions)), axis=0)
    f1 = object_f1(objects)
    return [
        {'class': name, 'images': len(pairs)}
        | dict(Dice=pooled[i], image_Dice=of_images[i], object_F1=f1[i])
        for i, name in enumerate(classes)
        if i
    ]


def _labels(path: Path, classes: int) -> np.ndarray:
    labels = read_mask(path)
    if classes == 2:
        return (labels > 0).astype(np.uint8)
    return labels.astype(np.uint8)

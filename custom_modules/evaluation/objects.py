"""Objects of a mask: connected areas, which of them are found and which are invented, by the same rule everywhere.

- An object is a connected area of one class (8-connectivity) without ignored pixels (255).
- A true object is *found* if at least half of its pixels are predicted.
- A predicted object is *invented* if less than a quarter of its pixels are true. At a half, a rock of 4x4 pixels predicted one
  pixel too wide all round would be invented; at a single pixel, a prediction of rock everywhere would not.
- Objects up to the data set's label limit do not count, true or predicted: the annotators left out such small rocks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, image_dice, ratio
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_mask
from custom_modules.utils.tables import progress

FOUND = 0.5
RIGHT = 0.25
# a share of the image: 95 % of the renders' labelled rocks are larger than 240 pixels of 720x480 (docs/synthetic.md)
LABEL_LIMIT = 240 / (720 * 480)


@dataclass(frozen=True)
class ObjectMatch:
    """Areas of the true and the predicted objects in pixels, and how much of each the other mask covers (``hits``)."""

    true_areas: np.ndarray
    true_hits: np.ndarray
    areas: np.ndarray
    hits: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Which true objects are found."""
        return self.true_hits >= FOUND * self.true_areas

    @property
    def invented(self) -> np.ndarray:
        """Which predicted objects are invented."""
        return self.hits < RIGHT * self.areas

    def counts(self, limit: float = 0.0) -> np.ndarray:
        """Count the objects larger than a limit in pixels: true, found, predicted, invented."""
        true, predicted = self.true_areas > limit, self.areas > limit
        return np.array([part.sum() for part in (true, true & self.found, predicted, predicted & self.invented)])


def match_objects(truth: np.ndarray, predicted: np.ndarray) -> ObjectMatch:
    """Match the objects of one class in a true and a predicted mask (H, W), bool; ignored pixels must be False in both."""
    return ObjectMatch(*_areas_and_hits(truth, predicted), *_areas_and_hits(predicted, truth))


def class_object_counts(truth: np.ndarray, predicted: np.ndarray, classes: Iterable[int], limit: float) -> np.ndarray:
    """Count the objects of each class in masks of class indices (H, W), by :meth:`ObjectMatch.counts` (classes, 4).

    Pixels with true index 255 are ignored, and objects up to ``limit``, a share of the image, do not count.
    """
    predicted = np.where(truth == IGNORED, IGNORED, predicted)
    matches = (match_objects(truth == index, predicted == index) for index in classes)
    return np.array([match.counts(limit * truth.size) for match in matches])


def object_f1(counts: np.ndarray) -> np.ndarray:
    """Compute the harmonic mean, in percent, of the share of true objects found and of predicted objects not invented.

    ``counts`` (..., 4) are those of :meth:`ObjectMatch.counts`. The result is nan without any object, true or predicted.

    Example:
        >>> object_f1(np.array([[2, 1, 2, 1], [0, 0, 3, 3], [0, 0, 0, 0]]))
        array([50.,  0., nan])
    """
    true, found, predicted, invented = np.moveaxis(np.asarray(counts, float), -1, 0)
    # 1 if there is no true object, of which none can be missed, or no predicted one, of which none can be invented
    recall = ratio(found, true, absent=1.0)
    precision = ratio(predicted - invented, predicted, absent=1.0)
    score = ratio(200 * recall * precision, recall + precision, absent=0.0)
    return np.where(true + predicted > 0, score, np.nan)


def object_areas(mask: np.ndarray) -> np.ndarray:
    """Count the pixels of each object of a mask of one class (H, W), bool."""
    return _areas_and_hits(mask, mask)[0]


def _areas_and_hits(mask: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area of each object of a mask, and how many of its pixels are in the other mask."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    # count only the few pixels in a mask: twice as fast as all pixels, four times as fast as connectedComponentsWithStats
    areas, hits = (np.bincount(parts[pixels], minlength=count)[1:] for pixels in (mask, other))
    return areas, hits


def score_mask_files(
    predicted: Path, true: Path, classes: Sequence[str], img_prefix: str = '', mask_prefix: str = ''
) -> list[dict]:
    """Score mask files at their own size, as ``ClassIoUMetric`` does.

    For each ``class`` but the first there are ``images``, ``Dice`` of all pixels, ``image_Dice`` (mean over images) and
    ``object_F1``. Masks that only one folder has are left out. Raises a UsageError if sizes differ, or a mask has several channels.

    Args:
        predicted (Path): Folder of PNG masks, named after their images, with class indices, or for two classes 0/255.
        true (Path): Folder of the true masks, with class indices, of which 255 is ignored, or for two classes 0/255.
        classes (Sequence[str]): Names of the classes.
        img_prefix (str): Beginning of the images' names, before what both names share.
        mask_prefix (str): The same of the true masks' names.
    """
    # pycocotools is not needed by a training
    from custom_modules.preparation.coco import files_by_name

    images, masks = files_by_name(predicted, img_prefix), files_by_name(true, mask_prefix)
    pairs = [(images[name], masks[name]) for name in sorted(images.keys() & masks.keys())]
    indexed = len(classes) > 2 or any(set(np.unique(read_mask(mask))) in ({0, 1}, {0, 1, IGNORED}) for _, mask in pairs)
    confusions, objects = [], []
    for paths in progress(pairs, 'Scoring', len(pairs)):
        found, truth = map(read_mask, paths)
        found = (found > 0).astype(np.uint8) if len(classes) == 2 else found
        truth = truth if indexed else (truth > 0).astype(np.uint8)
        if found.shape != truth.shape:
            sizes = '{}x{} and {}x{}'.format(*found.shape[::-1], *truth.shape[::-1])
            raise UsageError(f'{paths[0]} and {paths[1]} are {sizes} pixels: give masks of equal size.')
        if max(found.max(), truth[truth != IGNORED].max(initial=0)) >= len(classes):
            raise UsageError(f'{paths[0]} or {paths[1]} holds more than {len(classes)} classes: give masks of these.')
        confusions.append(ConfusionScores.from_masks(truth, found, len(classes)).confusion)
        objects.append(class_object_counts(truth, found, range(1, len(classes)), LABEL_LIMIT))
    scores = dict(
        Dice=ConfusionScores(np.sum(confusions, axis=0)).dice[1:],
        image_Dice=np.nanmean(image_dice(np.stack(confusions)), axis=0)[1:],
        object_F1=object_f1(np.sum(objects, axis=0)),
    )
    return [
        {'class': name, 'images': len(pairs)} | {key: values[i] for key, values in scores.items()}
        for i, name in enumerate(classes[1:])
    ]

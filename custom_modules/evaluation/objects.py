"""Objects of a mask: connected areas, which of them are found and which are invented.

The rule, the same wherever objects are counted:

- An object is a connected area of one class, neighbours over a corner included (8-connectivity).
- A true object is *found* if at least half of its pixels are predicted.
- A predicted object is *invented* if less than a quarter of its pixels are true. With half of them a rock of 4x4 pixels that is
  drawn one pixel too wide all round would be invented, with a single one nothing would be for who predicts rock everywhere.
- Objects up to the set's label limit do not count, neither as true nor as predicted: so small a rock is not labelled
  even where it can be seen.
- Pixels without a class (255) belong to no object.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED
from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_mask
from custom_modules.utils.tables import progress

FOUND = 0.5
RIGHT = 0.25
# a share of the image: 95 % of the renders' labelled rocks are larger than 240 pixels of 720x480 (docs/synthetic.md)
LABEL_LIMIT = 240 / (720 * 480)


@dataclass(frozen=True)
class ObjectMatch:
    """The objects of a true and of a predicted mask: pixels of each, and how many of them the other mask has."""

    true_areas: np.ndarray
    true_hits: np.ndarray
    areas: np.ndarray
    hits: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Whether each true object is found."""
        return self.true_hits >= FOUND * self.true_areas

    @property
    def invented(self) -> np.ndarray:
        """Whether each predicted object is invented."""
        return self.hits < RIGHT * self.areas

    def counts(self, limit: float = 0.0) -> np.ndarray:
        """Count the objects larger than a limit in pixels: true ones, found ones, predicted ones, invented ones; they add up."""
        true, predicted = self.true_areas > limit, self.areas > limit
        return np.array([part.sum() for part in (true, true & self.found, predicted, predicted & self.invented)])


def match_objects(truth: np.ndarray, predicted: np.ndarray) -> ObjectMatch:
    """Find the objects of two masks of one class (H, W), bool, and how far they cover each other.

    Pixels without a class have to be left out of what is predicted.
    """
    return ObjectMatch(*_areas_and_hits(truth, predicted), *_areas_and_hits(predicted, truth))


def class_object_counts(truth: np.ndarray, predicted: np.ndarray, classes: Iterable[int], limit: float) -> np.ndarray:
    """Count the objects of several classes in one image, as :meth:`ObjectMatch.counts` does (classes, 4).

    ``truth`` and ``predicted`` are class indices (H, W); 255 is left out. Objects up to ``limit``, a share of the image, do not count.
    """
    predicted = np.where(truth == IGNORED, IGNORED, predicted)
    matches = (match_objects(truth == index, predicted == index) for index in classes)
    return np.array([match.counts(limit * truth.size) for match in matches])


def object_f1(counts: np.ndarray) -> np.ndarray:
    """Score counted objects, in percent: the harmonic mean of the share of true ones found and of predicted ones not invented.

    It is nan where there is no object, neither true nor predicted. ``counts`` (..., 4) are those of :meth:`ObjectMatch.counts`.

    Example:
        >>> object_f1(np.array([[2, 1, 2, 1], [0, 0, 3, 3], [0, 0, 0, 0]]))
        array([50.,  0., nan])
    """
    true, found, predicted, invented = np.moveaxis(np.asarray(counts, float), -1, 0)
    # nothing there to be found, nothing drawn that could be wrong: no error of that kind
    recall, right = (
        np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)
        for part, whole in ((found, true), (predicted - invented, predicted))
    )
    both = recall + right
    score = np.divide(200 * recall * right, both, out=np.zeros_like(both), where=both > 0)
    return np.where(true + predicted > 0, score, np.nan)


def object_areas(mask: np.ndarray) -> np.ndarray:
    """Count the pixels of each object of a mask of one class (H, W), bool."""
    return _areas_and_hits(mask, mask)[0]


def _areas_and_hits(mask: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area of each connected part of a mask, and how many of its pixels the other mask has."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    # of the mask's own pixels alone, which are few: twice as fast as all, four times as OpenCV's statistics
    areas, hits = (np.bincount(parts[pixels], minlength=count)[1:] for pixels in (mask, other))
    return areas, hits


def score_mask_files(
    predicted: Path, true: Path, classes: Sequence[str], img_prefix: str = '', mask_prefix: str = ''
) -> list[dict]:
    """Score every class but the first in mask files, at the size that they have, by the rules of ``ClassIoUMetric``.

    Of each ``class`` there are ``images``, ``Dice`` of all pixels, ``image_Dice`` (mean over images) and ``object_F1``.
    Raises a UsageError if a mask is missing, has another size, or several channels.

    Args:
        predicted (Path): Folder of masks as PNG, named after their pictures: class indices, or of two classes 0/255.
        true (Path): Folder of true masks, the same; of two classes 0/1 too.
        classes (Sequence[str]): Names of the classes.
        img_prefix (str): What a picture's name has before what both share. Defaults to nothing.
        mask_prefix (str): The same of a true mask's name. Defaults to nothing.
    """
    # a training needs no pycocotools
    from custom_modules.preparation.coco import mask_pairs

    pairs, _ = mask_pairs(predicted, true, img_prefix, mask_prefix)
    confusions, objects = [], []
    for ours, theirs in progress(pairs, 'Scoring', len(pairs)):
        masks = (read_mask(path) for path in (ours, theirs))
        found, truth = ((mask > 0 if len(classes) == 2 else mask).astype(np.uint8) for mask in masks)
        if found.shape != truth.shape:
            sizes = '{}x{} and {}x{}'.format(*found.shape[::-1], *truth.shape[::-1])
            raise UsageError(f'{ours} and {theirs} are {sizes} pixels: give masks of equal size.')
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

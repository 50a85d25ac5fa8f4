"""Objects of a mask: connected areas, which of them are found and which are invented.

The rule, the same wherever objects are counted:

- An object is a connected area of one class, neighbours over a corner included (8-connectivity).
- A true object is *found* if at least half of its pixels are predicted.
- A predicted object is *invented* if less than a quarter of its pixels are true. Half would be too much: a rock of 4x4
  pixels that is drawn one pixel too wide all round covers 44 % of what is drawn. A single pixel would be too little: who
  predicts rock everywhere would invent nothing.
- Objects up to the set's label limit do not count, neither as true nor as predicted: so small a rock is not labelled
  even where it can be seen.
- Pixels without a class (255) belong to no object.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED

FOUND = 0.5
RIGHT = 0.25
# a share of the image: 95 % of the renders' labelled rocks are larger than 240 pixels of 720x480 (docs/synthetic.md)
LABEL_LIMIT = 240 / (720 * 480)


@dataclass(frozen=True)
class ObjectMatch:
    """The objects of a true and of a predicted mask.

    Args:
        true_areas (np.ndarray): Pixels of each true object.
        true_hits (np.ndarray): How many of them are predicted.
        areas (np.ndarray): Pixels of each predicted object.
        hits (np.ndarray): How many of them are true.
    """

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
        """Count the objects that are larger than a limit.

        Args:
            limit (float): In pixels. Defaults to 0.

        Returns:
            np.ndarray: True objects, found ones, predicted objects, invented ones; of several images they add up.
        """
        true, predicted = self.true_areas > limit, self.areas > limit
        parts = (true, true & self.found, predicted, predicted & self.invented)
        return np.array([part.sum() for part in parts])


def match_objects(truth: np.ndarray, predicted: np.ndarray) -> ObjectMatch:
    """Find the objects of two masks of one class, and how far they cover each other.

    Args:
        truth (np.ndarray): Where the class is (H, W), bool.
        predicted (np.ndarray): Where it is predicted (H, W), bool; pixels without a class are left out of it.

    Returns:
        ObjectMatch: The objects.

    Example:
        >>> truth, predicted = np.zeros((2, 4, 9), bool)
        >>> truth[:, 0:2] = predicted[:2, 0:2] = True  # half found
        >>> predicted[0, 5:8] = True  # invented
        >>> match_objects(truth, predicted).counts()
        array([1, 1, 2, 1])
    """
    return ObjectMatch(*_areas_and_hits(truth, predicted), *_areas_and_hits(predicted, truth))


def class_object_counts(
    truth: np.ndarray, predicted: np.ndarray, classes: Iterable[int], limit: float
) -> np.ndarray:
    """Count the objects of several classes in one image.

    Args:
        truth (np.ndarray): True class indices (H, W); 255 is left out.
        predicted (np.ndarray): Predicted class indices (H, W).
        classes (Iterable[int]): Indices of the classes.
        limit (float): Objects up to this share of the image do not count.

    Returns:
        np.ndarray: The counts of :meth:`ObjectMatch.counts` (classes, 4).
    """
    predicted = np.where(truth == IGNORED, IGNORED, predicted)
    matches = (match_objects(truth == index, predicted == index) for index in classes)
    return np.array([match.counts(limit * truth.size) for match in matches])


def object_f1(counts: np.ndarray) -> np.ndarray:
    """Score counted objects: the harmonic mean of the share of true ones found and of predicted ones not invented.

    Args:
        counts (np.ndarray): Of :meth:`ObjectMatch.counts` (..., 4), of one image or summed over several.

    Returns:
        np.ndarray: Percent (...); nan where there is no object, neither true nor predicted.

    Example:
        >>> object_f1(np.array([[2, 1, 2, 1], [0, 0, 3, 3], [0, 0, 0, 0]]))
        array([50.,  0., nan])
    """
    true, found, predicted, invented = np.moveaxis(np.asarray(counts, float), -1, 0)
    # nothing there to be found, nothing drawn that could be wrong: no error of that kind
    recall = np.divide(found, true, out=np.ones_like(true), where=true > 0)
    right = np.ones_like(predicted)
    np.divide(predicted - invented, predicted, out=right, where=predicted > 0)
    both = recall + right
    score = np.divide(200 * recall * right, both, out=np.zeros_like(both), where=both > 0)
    return np.where(true + predicted > 0, score, np.nan)


def _areas_and_hits(mask: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area of each connected part of a mask, and how many of its pixels the other mask has."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    # of the mask's own pixels alone, which are few: twice as fast as all, four times as OpenCV's statistics
    areas, hits = (np.bincount(parts[pixels], minlength=count)[1:] for pixels in (mask, other))
    return areas, hits

"""The values and objects of a mask."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED
from custom_modules.datasets.pair_checks import count_values
from custom_modules.utils.images import ImageError, read_mask

PEEK = 16
# more values are no classes, but edges that JPEG or smoothing made: defects of rock masks
MOST_CLASSES = 32


def rock_masks(masks: Sequence[Path]) -> set[int] | None:
    """Look into a few masks for whether they are 0/255 or 0/1, as masks of rocks are.

    Args:
        masks (Sequence[Path]): All masks; 16 of them, spread evenly, are read.

    Returns:
        set[int], optional: None if at least half of them are so, or they hold more values than there can be classes: the
        others are defects. Else the values found.
    """
    step = max(1, len(masks) // PEEK)
    found = []
    for path in masks[::step][:PEEK]:
        with contextlib.suppress(ImageError):
            found.append(set(np.unique(read_mask(path)).tolist()))
    binary = [values for values in found if values <= {0, 255} or values <= {0, 1}]
    values = set().union(*found)
    return None if 2 * len(binary) >= len(found) or len(values) > MOST_CLASSES else values


def object_areas(labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """Measure the objects of a mask: connected pixels of one class, diagonal neighbours included.

    Args:
        labels (np.ndarray): The mask (height, width).
        classes (int): Number of classes; the first is the background and has no objects.

    Returns:
        list[np.ndarray]: Pixels of each object, for every class but the first.

    Example:
        >>> mask = np.zeros((8, 8), np.uint8)
        >>> mask[:2, :2] = mask[2, 2] = mask[6, 6] = 1
        >>> [areas.tolist() for areas in object_areas(mask, 2)]
        [[5, 1]]
    """
    areas = [np.zeros(0, np.int64) for _ in range(1, classes)]
    # of many classes a mask holds few
    for index in np.flatnonzero(np.bincount(labels.ravel(), minlength=classes)[1:classes]) + 1:
        of_class = (labels == index).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8)
        # the first row is everything else
        areas[index - 1] = stats[1:, cv2.CC_STAT_AREA].astype(np.int64)
    return areas


def squeezed_overlap(labels: np.ndarray, size: tuple[int, int], classes: int) -> np.ndarray:
    """Squeeze a true mask to another size and back, and count what is left of each class.

    Both ways by nearest pixel at the cell's centre, as ``ResizeToLoadSize`` does.

    Args:
        labels (np.ndarray): The mask (height, width), 255 where a pixel has no class.
        size (tuple[int, int]): (width, height) to squeeze to.
        classes (int): Number of classes.

    Returns:
        np.ndarray: For each class the pixels (classes, 3) that are right, that have it after squeezing, and
        that have it in truth. Pixels without a class before or after are left out.

    Example:
        >>> blocks = np.kron(np.array([[0, 1], [1, 0]], np.uint8), np.ones((8, 8), np.uint8))
        >>> squeezed_overlap(blocks, (2, 2), 2).tolist()
        [[128, 128, 128], [128, 128, 128]]
    """
    nearest = cv2.INTER_NEAREST_EXACT
    squeezed = cv2.resize(labels, size, interpolation=nearest)
    back = cv2.resize(squeezed, labels.shape[::-1], interpolation=nearest)
    # classes are at most 255, so that the product fits
    both = labels.astype(np.uint16) * np.uint16(classes) + back
    counted = (labels != IGNORED) & (back != IGNORED)
    confusion = count_values(both if counted.all() else both[counted], classes * classes)
    confusion = confusion.reshape(classes, classes)
    return np.stack([confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)], axis=1)

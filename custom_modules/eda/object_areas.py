import cv2
import numpy as np


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

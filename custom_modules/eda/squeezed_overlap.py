import cv2
import numpy as np

from custom_modules.datasets.index_masks import IGNORED

from .count_values import count_values


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

from collections.abc import Sequence

import cv2
import numpy as np

from custom_modules.visualization.overlay import overlay

LONGEST = 480


def thumbnail(
    image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]]
) -> np.ndarray:
    """Lay a mask over its image and make it small.

    Args:
        image (np.ndarray): RGB (height, width, 3).
        labels (np.ndarray): The mask (height, width); 0, and 255 where a pixel has no class, are left clear.
        palette (Sequence[Sequence[int]]): RGB of each class.

    Returns:
        np.ndarray: RGB, at most 480 pixels long.
    """
    scale = min(1, LONGEST / max(labels.shape))
    size = tuple(max(1, round(scale * side)) for side in labels.shape[::-1])
    return cv2.resize(overlay(image, labels, palette), size, interpolation=cv2.INTER_AREA)

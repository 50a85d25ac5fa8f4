from collections.abc import Sequence

import numpy as np


def overlay(
    image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], alpha: float = 0.5
) -> np.ndarray:
    """Draw a mask half-transparent over its image; class 0, the background, stays as it is.

    Args:
        image (np.ndarray): RGB (H, W, 3), uint8.
        labels (np.ndarray): Class indices (H, W); those beyond the palette, such as 255, stay as they are too.
        palette (Sequence[Sequence[int]]): RGB of each class.
        alpha (float): How much the colour covers. Defaults to 0.5.

    Returns:
        np.ndarray: RGB (H, W, 3), uint8.

    Example:
        >>> image, labels = np.full((1, 2, 3), 100, np.uint8), np.array([[0, 1]])
        >>> overlay(image, labels, [[0, 0, 0], [200, 0, 0]]).tolist()
        [[[100, 100, 100], [150, 50, 50]]]
    """
    drawn = image.astype(np.float32)
    for index, colour in enumerate(palette[1:], start=1):
        area = labels == index
        drawn[area] = (1 - alpha) * drawn[area] + alpha * np.array(colour)
    return drawn.astype(np.uint8)

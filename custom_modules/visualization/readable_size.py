import cv2
import numpy as np


def readable_size(image: np.ndarray, side: int = 360) -> np.ndarray:
    """Bring a picture to about a size: a small one by a whole number of times, so that its pixels stay exact.

    Args:
        image (np.ndarray): RGB (H, W, 3), uint8.
        side (int): What its longer side is to have, about, in pixels. Defaults to 360.

    Returns:
        np.ndarray: The same, each pixel repeated; or if it is more than half as large again, shrunk by area.

    Example:
        >>> [readable_size(np.zeros((64, width, 3), np.uint8)).shape[1] for width in (64, 128, 256, 360, 720)]
        [384, 384, 512, 360, 360]
    """
    longer = max(image.shape[:2])
    if longer > 1.5 * side:
        height, width = (max(round(side * length / longer), 1) for length in image.shape[:2])
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    times = max(-(-9 * side // (10 * longer)), 1)
    return image.repeat(times, axis=0).repeat(times, axis=1)

import numpy as np

from custom_modules.datasets.index_masks import IGNORED

from .overlay import overlay

# of Okabe and Ito, and of different lightness too: told apart with every common colour blindness, and in grey
ERROR_COLOURS = {
    'true positive': (86, 180, 233),
    'false positive': (240, 228, 66),
    'false negative': (213, 94, 0),
    'wrong class': (204, 121, 167),
}


def error_map(image: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Draw what a segmentor found, invented, missed and took for another class, over the image in dark grey.

    Args:
        image (np.ndarray): RGB (H, W, 3), uint8.
        truth (np.ndarray): True class indices (H, W), 0 the background; pixels of 255 are not coloured.
        predicted (np.ndarray): Predicted class indices (H, W).

    Returns:
        np.ndarray: RGB (H, W, 3), uint8, in ``ERROR_COLOURS``.

    Example:
        >>> image = np.zeros((1, 3, 3), np.uint8)
        >>> error_map(image, np.array([[1, 0, 1]]), np.array([[1, 1, 0]])).tolist()
        [[[68, 144, 186], [192, 182, 52], [170, 75, 0]]]
    """
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1) * 0.6
    kinds = np.select(
        [
            truth == IGNORED,
            (truth > 0) & (predicted == truth),
            (truth == 0) & (predicted > 0),
            (truth > 0) & (predicted == 0),
            predicted != truth,
        ],
        [0, 1, 2, 3, 4],
    )
    return overlay(grey.astype(np.uint8), kinds, [(0, 0, 0), *ERROR_COLOURS.values()], alpha=0.8)

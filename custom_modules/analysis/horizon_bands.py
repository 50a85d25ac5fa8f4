import numpy as np

# percent of the image's height below the horizon
EDGES = (0, 5, 10, 20, 40, 100)
HORIZON_BANDS = tuple(f'{low}-{high}' for low, high in zip(EDGES, EDGES[1:], strict=False))


def horizon_bands(truth: np.ndarray, sky: int) -> np.ndarray:
    """Say how far below the horizon each pixel lies; the horizon is the lowest pixel of sky in its column.

    Args:
        truth (np.ndarray): True class indices (H, W).
        sky (int): Index of the class sky.

    Returns:
        np.ndarray: Index in ``HORIZON_BANDS`` (H, W), -1 above the horizon and in columns without sky.

    Example:
        >>> horizon_bands(np.array([[1, 0]] * 1 + [[0, 0]] * 9), sky=1)[:, 0].tolist()
        [-1, 1, 2, 3, 3, 4, 4, 4, 4, 4]
    """
    height = len(truth)
    is_sky = truth == sky
    lowest = height - 1 - is_sky[::-1].argmax(axis=0)
    distance = np.arange(height)[:, None] - lowest
    bands = np.digitize(100 * distance / height, EDGES, right=True) - 1
    # at the horizon and above it the band is -1 already
    return np.where(is_sky.any(axis=0), bands, -1)

import numpy as np

COUNT = 8
ROW_BANDS = tuple(f'{100 * i / COUNT:g}-{100 * (i + 1) / COUNT:g}' for i in range(COUNT))


def row_bands(height: int) -> np.ndarray:
    """Cut an image into eight bands from the top, of the same height.

    Args:
        height (int): Rows of the image.

    Returns:
        np.ndarray: Index in ``ROW_BANDS`` (percent of the height) of each row (H, 1).

    Example:
        >>> row_bands(16)[:, 0].tolist()
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    """
    return (np.arange(height) * COUNT // height)[:, None]

import numpy as np

BLOCK = 1 << 20


def count_values(values: np.ndarray, size: int = 256) -> np.ndarray:
    """Count small whole numbers, block by block: ``np.bincount`` makes eight bytes of each.

    Args:
        values (np.ndarray): Numbers below ``size``, of any shape.
        size (int): Number of different ones. Defaults to 256.

    Returns:
        np.ndarray: How often each occurs.

    Example:
        >>> count_values(np.array([[0, 2], [2, 2]]), 4).tolist()
        [1, 0, 3, 0]
    """
    flat = values.ravel()
    counts = np.zeros(size, np.int64)
    for start in range(0, flat.size, BLOCK):
        counts += np.bincount(flat[start : start + BLOCK], minlength=size)
    return counts

from collections.abc import Sequence

import numpy as np

LEVELS = (0, 5, 25, 50, 75, 95, 100)


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Say how values are spread.

    Args:
        values (Sequence[float]): Any numbers.

    Returns:
        dict[str, float], optional: Minimum, 5 %, 25 %, median, 75 %, 95 % and maximum, by their percentage; None
        without any value.

    Example:
        >>> quantiles([1, 2, 3])['50']
        2.0
    """
    if not len(values):
        return None
    found = np.percentile(np.asarray(values, float), LEVELS)
    return {str(level): round(float(value), 4) for level, value in zip(LEVELS, found, strict=True)}

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float]) -> dict[str, float | int] | None:
    """Describe repeated measurements by what one slow moment does not change.

    Args:
        values (Sequence[float]): The measurements.

    Returns:
        dict | None: ``median``, the quartiles ``q1`` and ``q3``, their distance ``iqr``, and how many there are, ``n``.
        None without any.

    Example:
        >>> spread([4.0, 1.0, 2.0, 3.0, 100.0])
        {'median': 3.0, 'q1': 2.0, 'q3': 4.0, 'iqr': 2.0, 'n': 5}
    """
    if len(values) == 0:
        return None
    q1, median, q3 = (float(value) for value in np.percentile(values, [25, 50, 75]))
    return dict(median=median, q1=q1, q3=q3, iqr=q3 - q1, n=len(values))

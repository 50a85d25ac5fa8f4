from collections.abc import Collection

from .hashed_order import hashed_order


def hashed_share(ids: Collection[str], fraction: float) -> list[str]:
    """Choose a share of ids, the same on every machine and for every seed; a smaller share lies within a larger one.

    Args:
        ids (Collection[str]): All ids.
        fraction (float): Which share, from 0 to 1, rounded to whole ids.

    Returns:
        list[str]: The chosen ids, sorted.

    Example:
        >>> ids = ['0001', '0002', '0003', '0004', '0005']
        >>> hashed_share(ids, 0.4) == sorted(set(hashed_share(ids, 0.4)) & set(hashed_share(ids, 0.6)))
        True
    """
    return sorted(hashed_order(ids)[: round(fraction * len(ids))])

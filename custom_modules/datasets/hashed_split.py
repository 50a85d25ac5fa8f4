import hashlib
from collections.abc import Sequence


def hashed_split(
    ids: Sequence[str], split: str, val_fraction: float, test_fraction: float
) -> list[str]:
    """Cut ids into parts in a way that is the same on every machine and in every order of files.

    Args:
        ids (Sequence[str]): All ids.
        split (str): ``'train'``, ``'val'``, ``'test'`` or ``'all'``.
        val_fraction (float): Share of the validation part, rounded to whole ids.
        test_fraction (float): Share of the test part, rounded to whole ids.

    Returns:
        list[str]: The ids of the part, sorted.

    Example:
        >>> hashed_split(['0001', '0002', '0003', '0004', '0005'], 'val', 0.2, 0.0)
        ['0004']
    """
    shuffled = sorted(ids, key=lambda i: hashlib.sha256(i.encode()).hexdigest())
    test, val = (round(fraction * len(ids)) for fraction in (test_fraction, val_fraction))
    parts = dict(
        test=shuffled[:test],
        val=shuffled[test : test + val],
        train=shuffled[test + val :],
        all=shuffled,
    )
    return sorted(parts[split])

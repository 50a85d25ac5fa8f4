from collections.abc import Collection

from custom_modules.usage_error import UsageError

from .hashed_order import hashed_order


def hashed_split(
    ids: Collection[str], split: str, val_fraction: float, test_fraction: float
) -> list[str]:
    """Cut ids into parts in a way that is the same on every machine and in every order of files.

    They are sorted by their SHA-256: the first ``test_fraction`` are the test part, the next ``val_fraction``
    the validation part.

    Args:
        ids (Collection[str]): All ids.
        split (str): ``'train'``, ``'val'``, ``'test'`` or ``'all'``.
        val_fraction (float): Share of the validation part, rounded to whole ids.
        test_fraction (float): Share of the test part, rounded to whole ids.

    Returns:
        list[str]: The ids of the part, sorted.

    Raises:
        UsageError: If the fractions leave nothing for training.

    Example:
        >>> hashed_split(['0001', '0002', '0003', '0004', '0005'], 'val', 0.2, 0.0)
        ['0004']
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise UsageError(
            'val_fraction and test_fraction are shares that leave some for training, '
            f'got {val_fraction} and {test_fraction}.'
        )
    shuffled = hashed_order(ids)
    test, val = (round(fraction * len(ids)) for fraction in (test_fraction, val_fraction))
    parts = dict(
        test=shuffled[:test],
        val=shuffled[test : test + val],
        train=shuffled[test + val :],
        all=shuffled,
    )
    return sorted(parts[split])

"""Which images are for training, validation and test."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from custom_modules.datasets.pairs import first_five
from custom_modules.utils.errors import UsageError


def hashed_order(ids: Iterable[str]) -> list[str]:
    """Shuffle ids in a way that is the same on every machine, in every order of files and for every seed.

    Args:
        ids (Iterable[str]): The ids.

    Returns:
        list[str]: The ids, sorted by their SHA-256.

    Example:
        >>> hashed_order(['0001', '0002', '0003', '0004', '0005'])[0]
        '0004'
    """
    return sorted(ids, key=lambda i: hashlib.sha256(i.encode()).hexdigest())


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


def listed_ids(path: Path, ids: Collection[str], data_root: str) -> list[str]:
    """Read which ids a list file chooses.

    Args:
        path (Path): File with one id per line.
        ids (Collection[str]): The ids that have a pair.
        data_root (str): Where the pairs lie, for the error's sentence.

    Returns:
        list[str]: The chosen ids, sorted, each once.

    Raises:
        UsageError: If there is no such file, it is empty, or an id has no pair.
    """
    example = next(iter(ids))
    if not path.is_file():
        raise UsageError(
            f'ann_file {path} does not exist; it lists one id per line, such as {example}.'
        )
    wanted = set(path.read_text(encoding='utf-8').split())
    unknown = sorted(wanted - set(ids))
    if unknown or not wanted:
        raise UsageError(
            f'{path} lists {len(wanted)} ids, {len(unknown)} of which have no pair in '
            f'{data_root}: {first_five(unknown) or "it is empty"}; write one id per line, such as {example}.'
        )
    return sorted(wanted)

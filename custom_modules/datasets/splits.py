"""Splits into training, validation and test part: by hash, for cross-validation, or from a list of ids."""

import hashlib
from collections.abc import Collection, Iterable
from numbers import Real
from pathlib import Path

from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.files import read_lines

FOLDS = 5  # default number of folds


def hashed_order(ids: Iterable[str]) -> list[str]:
    """Shuffle ids by their SHA-256: the same order on every machine, whatever the order of the files and the seed."""
    return sorted(ids, key=lambda i: hashlib.sha256(i.encode('utf-8', 'surrogateescape')).hexdigest())


def hashed_split(ids: Collection[str], split: str, val_fraction: float, test_fraction: float) -> list[str]:
    """Return the sorted ids of one part, ``'train'``, ``'val'``, ``'test'`` or ``'all'``.

    In :func:`hashed_order` the test part comes first, then the validation part. A UsageError if nothing is left for training.
    """
    shares = [val_fraction, test_fraction]
    if not all(isinstance(share, Real) for share in shares) or min(shares) < 0 or sum(shares) >= 1:
        raise UsageError(
            f'val_fraction and test_fraction are shares that leave some for training, got {val_fraction} and {test_fraction}.'
        )
    shuffled = hashed_order(ids)
    test, val = (round(fraction * len(ids)) for fraction in (test_fraction, val_fraction))
    return _part(split, shuffled[:test], shuffled[test:], val)


def fold_split(ids: Collection[str], split: str, fold: int, folds: int, val_fraction: float) -> list[str]:
    """Return the sorted ids of one part of a cross-validation, in which each id is in the test part of exactly one fold.

    Fold k, the test part, is the k-th of ``folds`` equal pieces of :func:`hashed_order`. The validation part, ``val_fraction`` of the
    other ids, follows it cyclically, so that no image is left out of training in most folds. A UsageError if a fold would be
    empty, or nothing is left for training.

    Example:
        >>> ids = ['0001', '0002', '0003', '0004', '0005']
        >>> [fold_split(ids, 'test', fold, 2, 0.0) for fold in (0, 1)]
        [['0004', '0005'], ['0001', '0002', '0003']]
    """
    if folds > len(ids):
        raise UsageError(
            f'folds={folds} is more than the {len(ids)} pairs that there are, so that some folds would be empty: set folds '
            f'to at most {len(ids)}, or add pairs.'
        )
    if not (isinstance(val_fraction, Real) and 0 <= val_fraction < 1):
        raise UsageError(f'val_fraction is a share from 0 to less than 1, got {val_fraction}.')
    shuffled = hashed_order(ids)
    first, end = (round(k * len(ids) / folds) for k in (fold, fold + 1))
    others = shuffled[end:] + shuffled[:first]
    return _part(split, shuffled[first:end], others, round(val_fraction * len(others)))


def _part(split: str, test: list[str], others: list[str], val: int) -> list[str]:
    return sorted(dict(test=test, val=others[:val], train=others[val:], all=test + others)[split])


def require_fold(fold: int, folds: int) -> None:
    """Raise a :class:`UsageError` unless ``0 <= fold < folds``; values from a command line may be of any type."""
    if type(folds) is not int or folds < 2:
        raise UsageError(f'folds is the number of parts to cut the pairs into, 2 or more, got {folds!r}.')
    if type(fold) is not int or not 0 <= fold < folds:
        raise UsageError(f'fold is the part of {folds} that is held out, from 0 to {folds - 1}, got {fold!r}.')


def listed_ids(path: Path, ids: Collection[str], data_root: str) -> list[str]:
    """Read a list file of ids and return them sorted, each once; a UsageError if one is not in ``ids``, the pairs in ``data_root``."""
    example = next(iter(ids))
    if not path.is_file():
        raise UsageError(f'ann_file {path} does not exist; it lists one id per line, such as {example}.')
    wanted = set(read_lines(path))
    unknown = sorted(wanted - set(ids))
    if unknown or not wanted:
        raise UsageError(
            f'{path} lists {len(wanted)} ids, {len(unknown)} of which have no pair in '
            f'{data_root}: {first_five(unknown) or "it is empty"}; write one id per line, such as {example}.'
        )
    return sorted(wanted)

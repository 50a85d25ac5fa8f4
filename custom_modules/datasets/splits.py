"""Which images are for training, validation and test."""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.files import read_lines

FOLDS = 5  # of a cross-validation, where a config does not say


def hashed_order(ids: Iterable[str]) -> list[str]:
    """Shuffle ids, by their SHA-256: the same on every machine, in every order of files and for every seed."""
    return sorted(ids, key=lambda i: hashlib.sha256(i.encode()).hexdigest())


def hashed_share(ids: Collection[str], fraction: float) -> list[str]:
    """Choose a share of ids, from 0 to 1, in sorted order; a smaller share lies within a larger one."""
    return sorted(hashed_order(ids)[: round(fraction * len(ids))])


def hashed_split(ids: Collection[str], split: str, val_fraction: float, test_fraction: float) -> list[str]:
    """Cut ids, and give those of one part, ``'train'``, ``'val'``, ``'test'`` or ``'all'``, in sorted order.

    Of :func:`hashed_order` the first ``test_fraction`` are the test part, the next ``val_fraction`` the validation part, both
    rounded to whole ids. A UsageError if they leave nothing for training.
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise UsageError(
            f'val_fraction and test_fraction are shares that leave some for training, got {val_fraction} and {test_fraction}.'
        )
    shuffled = hashed_order(ids)
    test, val = (round(fraction * len(ids)) for fraction in (test_fraction, val_fraction))
    return _part(split, shuffled[:test], shuffled[test:], val)


def fold_split(ids: Collection[str], split: str, fold: int, folds: int, val_fraction: float) -> list[str]:
    """Cut ids for cross-validation, each in the test part of exactly one fold, and give those of one part in sorted order.

    :func:`hashed_order` forms a ring. Fold k is the k-th of ``folds`` equal arcs and the test part. What follows it on the ring
    is the validation part, ``val_fraction`` of the other folds' ids, so that no image is kept from training in most of the
    folds; the rest is for training. A UsageError if a fold would be empty, or nothing would be left for training.

    Example:
        >>> ids = ['0001', '0002', '0003', '0004', '0005']
        >>> [fold_split(ids, 'test', fold, 2, 0.0) for fold in (0, 1)]
        [['0004', '0005'], ['0001', '0002', '0003']]
    """
    require_fold(fold, folds)
    if folds > len(ids):
        raise UsageError(
            f'folds={folds} is more than the {len(ids)} pairs that there are, so that some folds would be empty: set folds '
            f'to at most {len(ids)}, or add pairs.'
        )
    if not 0 <= val_fraction < 1:
        raise UsageError(
            f'val_fraction is a share that leaves some for training, 0 or more and less than 1, got {val_fraction}.'
        )
    shuffled = hashed_order(ids)
    first, end = (round(k * len(ids) / folds) for k in (fold, fold + 1))
    others = shuffled[end:] + shuffled[:first]
    return _part(split, shuffled[first:end], others, round(val_fraction * len(others)))


def _part(split: str, test: list[str], others: list[str], val: int) -> list[str]:
    return sorted(dict(test=test, val=others[:val], train=others[val:], all=test + others)[split])


def require_fold(fold: int, folds: int) -> None:
    """Refuse what is no fold, with a :class:`UsageError` that says which numbers are possible."""
    # what a command line gives is not typed
    if type(folds) is not int or folds < 2:
        raise UsageError(
            f'folds is the number of parts to cut the pairs into, a whole number of at least 2, got {folds!r}.'
        )
    if type(fold) is not int or not 0 <= fold < folds:
        raise UsageError(
            f'fold is the part of folds={folds} that is held out, a whole number from 0 to {folds - 1}, got {fold!r}.'
        )


def listed_ids(path: Path, ids: Collection[str], data_root: str) -> list[str]:
    """Read which of the ids that have a pair in ``data_root`` a list file chooses, sorted, each once; a UsageError if one has none."""
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

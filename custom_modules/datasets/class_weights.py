"""Class weights, from the pixels of each class or from a file."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from custom_modules.datasets.masks import ClassPixels
from custom_modules.utils.errors import UsageError


def class_weights(classes: Sequence[str], counts: Sequence[np.ndarray]) -> dict:
    """Suggest class weights, those of :class:`ClassPixels`.

    Args:
        classes (Sequence[str]): Names of the classes.
        counts (Sequence[np.ndarray]): Pixels of each class in each mask of the training part.

    Returns:
        dict: ``inverse_frequency`` and ``median_frequency``, and with two classes ``positive_weight`` for a head of
        one channel; all None with a ``reason`` where a class has no pixel.
    """
    pixels = ClassPixels(classes, np.array(counts, np.int64).reshape(-1, len(classes)))
    binary = len(classes) == 2
    names = ['inverse_frequency', 'median_frequency'] + ['positive_weight'] * binary
    try:
        found = [np.asarray(getattr(pixels, name)()).tolist() for name in names]
    except UsageError as error:
        return dict(dict.fromkeys(names), reason=str(error))
    return dict(zip(names, found, strict=True), reason=None)


def read_class_weights(path: str | Path) -> list[float]:
    """Read the weights of classes from a file of numbers. mmseg reads pickles and any YAML too, and runs what they say.

    Args:
        path (str | Path): A list of numbers as ``.json``, or an array as ``.npy``.

    Raises:
        UsageError: If it is not there, of another kind, or holds anything else.
    """
    path = Path(path)
    how = 'save them so, or write them as a list of numbers'
    if path.suffix not in ('.json', '.npy'):
        raise UsageError(
            f'{path} is not read, since a file holds the weights of classes as .json or .npy: {how}.'
        )
    try:
        found = np.load(path) if path.suffix == '.npy' else json.loads(path.read_bytes())
        found = np.asarray(found, float)
    except (OSError, ValueError, TypeError, EOFError, RecursionError) as error:
        raise UsageError(f'{path} holds no numbers that can be read ({error}): {how}.') from error
    if found.ndim != 1 or not np.isfinite(found).all():
        raise UsageError(f'{path} holds no list of numbers, one for each class: {how}.')
    return found.tolist()

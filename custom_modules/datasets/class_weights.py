"""Class weights from the pixels of each class."""

from collections.abc import Sequence

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

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .read_picture import read_picture

PEEK = 16
# more values are no classes, but edges that JPEG or smoothing made: defects of rock masks
MOST_CLASSES = 32


def rock_masks(masks: Sequence[Path]) -> set[int] | None:
    """Look into a few masks for whether they are 0/255 or 0/1, as masks of rocks are.

    Args:
        masks (Sequence[Path]): All masks; 16 of them, spread evenly, are read.

    Returns:
        set[int], optional: None if at least half of them are so, or they hold more values than there can be classes: the
        others are defects. Else the values found.
    """
    step = max(1, len(masks) // PEEK)
    found = []
    for path in masks[::step][:PEEK]:
        mask, _ = read_picture(path)
        if mask is not None and mask.ndim == 2:
            found.append(set(np.unique(mask).tolist()))
    binary = [values for values in found if values <= {0, 255} or values <= {0, 1}]
    values = set().union(*found)
    return None if 2 * len(binary) >= len(found) or len(values) > MOST_CLASSES else values

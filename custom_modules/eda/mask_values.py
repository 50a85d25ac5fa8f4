from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from custom_modules.datasets.index_masks import IGNORED


class MaskValues:
    """Which values a mask may hold, and the label of each.

    Args:
        labels (Mapping[int, int]): Label of each value; 255 for pixels without a class.
        sets (Sequence[Iterable[int]], optional): All values of a mask must be in one of them. Defaults to one
            set, of all values that have a label.

    Example:
        >>> MaskValues({0: 0, 1: 1, 255: 1}, [{0, 255}, {0, 1}]).stray({0, 1, 255})
        [0, 1, 255]
        >>> MaskValues({0: 0, 255: 1}).stray({0, 7})
        [7]
    """

    def __init__(
        self, labels: Mapping[int, int], sets: Sequence[Iterable[int]] | None = None
    ) -> None:
        self.labels = dict(labels)
        self.sets = tuple(map(frozenset, sets or [labels]))
        self.table = np.full(256, IGNORED, np.uint8)
        self.table[list(self.labels)] = list(self.labels.values())

    def stray(self, values: set[int]) -> list[int]:
        """Name the values that a mask must not hold.

        Args:
            values (set[int]): All values of one mask.

        Returns:
            list[int]: The wrong ones, sorted. Where several sets are allowed, none is wrong by itself: all.
        """
        if any(values <= allowed for allowed in self.sets):
            return []
        return sorted(values - self.sets[0] if len(self.sets) == 1 else values)

from collections.abc import Mapping, Sequence
from pathlib import Path

from custom_modules.usage_error import UsageError

from .check_pairs import check_pairs
from .find_files import warn

# the label that mmseg's losses and scores leave out
IGNORED = 255


class IndexMasks:
    """What masks hold: the label of every value, all others are refused.

    Args:
        classes (Sequence[str]): Names of the classes.
        label_map (Mapping[int | str, int] or Sequence, optional): Class index of each mask value, also as a list of
            pairs. None (default) takes the values as class indices.
        ignore_index (int, optional): Mask value without a class; its label is 255. None (default) if there is none.

    Raises:
        UsageError: If the classes are not a list of different names, or a value leads to none of them.

    Example:
        >>> masks = IndexMasks(('background', 'rock'), {0: 0, '1': 0, '2': 1}, ignore_index=9)
        >>> masks.labels
        {0: 0, 1: 0, 2: 1, 9: 255}
    """

    def __init__(
        self,
        classes: Sequence[str],
        label_map: Mapping[int | str, int] | Sequence[Sequence[int]] | None = None,
        ignore_index: int | None = None,
    ) -> None:
        if isinstance(classes, str) or not 2 <= len(set(classes)) == len(classes) <= IGNORED:
            raise UsageError(
                f'classes is a list of 2 to {IGNORED} different names, the background first, got {classes!r}.'
            )
        if label_map is None:
            label_map = {index: index for index in range(len(classes))}
        label_map = dict(label_map)
        for value, label in label_map.items():
            if not str(value).isdecimal() or int(value) > 255:
                raise UsageError(
                    f'label_map maps mask values, whole numbers from 0 to 255, to class indices, got the value '
                    f'{value!r}: write it as label_map={{0: 0, 255: 1}}.'
                )
            if label not in range(len(classes)):
                raise UsageError(
                    f'label_map maps the mask value {value} to {label!r}, but the {len(classes)} classes '
                    f'({", ".join(classes)}) have the indices 0 to {len(classes) - 1}: choose one of them, or leave '
                    'the value out and name it in ignore_index.'
                )
        self.classes = tuple(classes)
        self.labels = {int(value): int(label) for value, label in label_map.items()}
        if ignore_index is None:
            return
        if ignore_index not in range(256):
            raise UsageError(
                f'ignore_index is a mask value from 0 to 255, or None, got {ignore_index!r}.'
            )
        if ignore_index in self.labels:
            name = classes[self.labels[ignore_index]]
            raise UsageError(
                f'ignore_index={ignore_index} is also the mask value of class {name!r}: leave it out of label_map, '
                'or set ignore_index=None.'
            )
        self.labels[ignore_index] = IGNORED

    def check(self, pairs: Sequence[tuple[Path, Path]]) -> set[int]:
        """Read every pair once.

        Args:
            pairs (Sequence[tuple[Path, Path]]): Image and mask.

        Returns:
            set[int]: The values that occur in the masks.

        Raises:
            UsageError: If a file cannot be used; the sentence says why.
        """
        values = sorted(self.labels)
        whole = values == list(range(len(values)))
        remedy = 'give each value its class in label_map, such as label_map={0: 0, 255: 1} for masks of 0/255'
        if IGNORED not in self.labels.values():
            remedy += ', or set ignore_index=255 if 255 marks pixels without a class'
        return check_pairs(
            pairs,
            [self.labels],
            f'0 to {values[-1]}' if whole else ', '.join(map(str, values)),
            remedy,
            'save them with one channel that holds the class index of each pixel',
        )

    def warn_of_absent_classes(self, values: set[int], where: str) -> None:
        """Say which classes have no pixel: they cannot be learned, and have no score.

        Args:
            values (set[int]): The values that occur in the masks.
            where (str): Which masks, for the sentence.
        """
        occurring = {self.labels[value] for value in values}
        absent = [name for index, name in enumerate(self.classes) if index not in occurring]
        if absent:
            warn(
                f'there is no pixel of {", ".join(absent)} in {where}: it can neither be learned nor scored there'
            )

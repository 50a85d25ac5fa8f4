from dataclasses import dataclass
from pathlib import Path

from .mask_values import MaskValues


@dataclass(frozen=True)
class Part:
    """The files of one part of a data set, complete or not.

    Args:
        name (str): ``'train'``, ``'val'``, ``'test'``, ``'all'``, or ``'no part'``.
        images (dict[str, Path]): The image of each id.
        masks (dict[str, Path]): The mask of each id.
        values (MaskValues): What the masks may hold.
        absent (tuple[str, ...]): Ids that the part's list names and no file has.
    """

    name: str
    images: dict[str, Path]
    masks: dict[str, Path]
    values: MaskValues
    absent: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        """All ids that have a file, sorted."""
        return sorted(self.images.keys() | self.masks.keys())

    @property
    def pairs(self) -> list[str]:
        """The ids that have both, sorted."""
        return sorted(self.images.keys() & self.masks.keys())

    def files(self) -> list[tuple[Path | None, Path | None]]:
        """Image and mask of each id, None for what is missing."""
        return [(self.images.get(i), self.masks.get(i)) for i in self.ids]

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .part import Part


@dataclass(frozen=True)
class Subject:
    """What is looked at: parts of one data set, with the same classes.

    Args:
        source (str): What the user named: a config, or two folders.
        root (Path): Folder that file names are told from.
        classes (tuple[str, ...]): Names of the classes, the background first.
        palette (Sequence[Sequence[int]]): RGB of each class.
        load_size (tuple[int, int], optional): (width, height) of training, None for full size.
        parts (list[Part]): The parts, training first.
        loose (Part, optional): Files without a partner that belong to no part, as an image without a mask where
            only whole pairs are cut into parts.
        unused (tuple[str, ...]): Ids of whole pairs that no part takes.
        same (dict[str, str]): Parts that equal another and are not counted twice, such as test: val.
    """

    source: str
    root: Path
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]]
    load_size: tuple[int, int] | None
    parts: list[Part]
    loose: Part | None = None
    unused: tuple[str, ...] = ()
    same: dict[str, str] = field(default_factory=dict)

    @property
    def training(self) -> str | None:
        """Name of the part that trains."""
        return next((part.name for part in self.parts if part.name in ('train', 'all')), None)

    def label(self, path: Path) -> str:
        """Name a file as short as it is still found."""
        return Path(os.path.relpath(path, self.root)).as_posix()

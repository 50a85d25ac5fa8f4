"""Which pictures a command line asks for."""

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import read_lines
from custom_modules.utils.images import SUFFIXES


class Source(NamedTuple):
    """A picture's file, and its name below the folder, pattern or list that it was found by, with ``/`` on every system."""

    path: Path
    name: str

    @property
    def stem(self) -> str:
        """The name without its suffix: what results are named after."""
        return PurePath(self.name).with_suffix('').as_posix()


def find_pictures(inputs: Iterable[str], without: Path | None = None) -> list[Source]:
    """Find the pictures that are asked for: each once, in the order of the inputs and of their names.

    Args:
        inputs (Iterable[str]): Files; folders, sub-folders included; patterns such as ``'photos/*.jpg'``; and lists: text
            files ending in ``.txt`` with one path per line, from the list's folder on. A UsageError if one is not there, there is
            no picture at all, or two have one name but for the suffix.
        without (Path, optional): A folder whose pictures are left out, such as that of the results.
    """
    found: dict[Path, Source] = {}
    for text in inputs:
        for path, name in _of_input(text):
            place = path.resolve()
            if without is None or without.resolve() not in place.parents:
                found.setdefault(place, Source(path, name.as_posix()))
    if not found:
        raise UsageError(
            f'no picture ({", ".join(SUFFIXES)}) was found in {", ".join(map(str, inputs))}: name pictures, folders, '
            "patterns such as 'photos/*.jpg', or a list of paths ending in .txt."
        )
    first: dict[str, Source] = {}
    for source in found.values():
        other = first.setdefault(source.stem, source)
        if other is not source:
            raise UsageError(
                f'the results of {other.path} and {source.path} would have one name: rename one of them.'
            )
    return list(found.values())


def _of_input(text: str) -> Iterator[tuple[Path, PurePath]]:
    path = Path(text).expanduser()
    if path.is_dir():
        yield from _pictures(path, path.rglob('*'))
    elif path.is_file() and path.suffix.lower() == '.txt':
        # a file that is not there is named later, with those that cannot be read
        for line in read_lines(path):
            place = PurePath(line)
            below = not place.is_absolute() and '..' not in place.parts
            yield path.parent / line, place if below else PurePath(place.name)
    elif path.is_file():
        yield path, PurePath(path.name)
    elif glob.has_magic(text):
        fixed = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
        matches = map(Path, glob.iglob(str(path), recursive=True))
        yield from _pictures(Path(*path.parts[:fixed]), matches)
    else:
        raise UsageError(f'there is no picture, folder or list {text}: mend the path.')


def _pictures(folder: Path, files: Iterable[Path]) -> Iterator[tuple[Path, PurePath]]:
    for file in sorted(files):
        name = file.relative_to(folder)
        hidden = any(part.startswith('.') for part in name.parts)
        if not hidden and file.suffix.lower() in SUFFIXES and file.is_file():
            yield file, name

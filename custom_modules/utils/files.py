"""Files and folders: written whole or not at all, found from anywhere, never overwritten unasked."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from custom_modules.utils.errors import UsageError

REPOSITORY = Path(__file__).resolve().parents[2]
UNFINISHED = '.unfinished'  # the end of a file's name while it is being written


@contextlib.contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Give a neighbour of a file to write to, which takes the file's place when the block ends without an error.

    Whoever looks sees the old file or the new one, never half of one, also where the writing is killed. Missing folders are made.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # machines that share a disk have processes of one number
    unfinished = target.with_name(f'.{target.name}.{secrets.token_hex(4)}{UNFINISHED}')
    try:
        yield unfinished
        os.replace(unfinished, target)
    except OSError as error:
        # of a full disk the system does not say which file it was
        if error.filename in (None, str(unfinished)):
            error.filename = str(target)
        raise
    finally:
        # on a full disk, or one that has gone, the first error is the one to tell of
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_atomically(target: str | Path, content: bytes, sync: bool = True) -> None:
    """Write a file, all or nothing; missing folders are made.

    With ``sync`` it waits until the bytes are on the disk: else a power cut could leave the name without them. Off for the
    thousands of small files of a data set, which are made again.
    """
    with atomic_path(target) as path, path.open('wb') as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def remove_unfinished(folder: str | Path) -> list[Path]:
    """Remove what writes that were killed have left in a folder, which nobody else writes to; return what was removed."""
    left = sorted(path for path in Path(folder).glob(f'.*{UNFINISHED}') if path.is_file())
    for path in left:
        path.unlink(missing_ok=True)
    return left


def read_lines(path: str | Path) -> list[str]:
    """Read the lines of a text file that hold something, stripped; a UsageError if it cannot be read, or is no text.

    It is in UTF-8, or as its byte-order mark says, as Windows' editors write UTF-16.
    """
    try:
        content = Path(path).read_bytes()
        utf16 = content.startswith((b'\xff\xfe', b'\xfe\xff'))
        lines = content.decode('utf-16' if utf16 else 'utf-8-sig').splitlines()
    except OSError as error:
        raise UsageError(
            f'{path} cannot be read ({error.strerror.lower()}): mend the path or its permissions.'
        ) from error
    except UnicodeError as error:
        raise UsageError(f'{path} is no text in UTF-8 or UTF-16: save it as UTF-8.') from error
    return [line.strip() for line in lines if line.strip()]


def require_absent(path: str | Path, remedy: str = 'choose another with --out') -> None:
    """Refuse to write what is there already, before anything is computed, with a UsageError that ends in the remedy."""
    if Path(path).exists():
        raise UsageError(f'{path} exists already and is not overwritten: {remedy}.')


def require_free_folder(folder: Path, patterns: Sequence[str]) -> None:
    """Refuse a folder for results where a file is in the way, or that holds one of these ``patterns`` already: a UsageError."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise UsageError(f'{path} is a file, but --out is a folder: choose another.')
    for pattern in patterns:
        for found in folder.glob(pattern):
            require_absent(found, 'choose another folder with --out')


def find_data(data_root: str, what: str, remedy: str) -> Path:
    """Find a data folder, a relative one in the current folder and then in the repository; a UsageError tells what helps."""
    candidates = [Path(data_root).expanduser()]
    if not candidates[0].is_absolute():
        candidates = [Path.cwd() / data_root, REPOSITORY / data_root]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    places = ' or '.join(dict.fromkeys(str(path) for path in candidates))
    raise UsageError(f'{what} was looked for in {places}, but there is no such folder: {remedy}.')

"""Files and folders: atomic writing, reading lines, refusing to overwrite, and finding data folders."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from custom_modules.utils.errors import UsageError

REPOSITORY = Path(__file__).resolve().parents[2]
UNFINISHED = '.unfinished'  # suffix of a file that is being written


@contextlib.contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a path beside ``target`` to write to, and replace ``target`` by it if the block ends without an error.

    Readers see the old file or the new one, never a part, even if the process is killed. Missing folders are made.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # random, not the process's id, which another machine on a shared disk may have too
    unfinished = target.with_name(f'.{target.name[:40]}.{secrets.token_hex(4)}{UNFINISHED}')
    try:
        yield unfinished
        os.replace(unfinished, target)
    except OSError as error:
        # the error of a full disk does not name the file
        if error.filename in (None, str(unfinished)):
            error.filename = str(target)
        raise
    finally:
        # if the disk is full or gone, the first error is the one to report
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_atomically(target: str | Path, content: bytes, sync: bool = True) -> None:
    """Write a file with :func:`atomic_path`.

    ``sync`` waits until the bytes are on the disk, since a power cut could leave an empty file. It is off for thousands of small
    files that can be made again.
    """
    with atomic_path(target) as path, path.open('wb') as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def remove_unfinished(folder: str | Path) -> list[Path]:
    """Remove unfinished files of killed processes from a folder to which nothing is being written; return their paths."""
    found = sorted(path for path in Path(folder).glob(f'.*{UNFINISHED}') if path.is_file())
    for path in found:
        path.unlink(missing_ok=True)
    return found


def read_lines(path: str | Path) -> list[str]:
    """Read the non-blank lines of a text file, stripped; UTF-8, or UTF-16 with a byte-order mark, as Windows' editors write it.

    Raises a UsageError if the file cannot be read or is no text.
    """
    try:
        content = Path(path).read_bytes()
        utf16 = content.startswith((b'\xff\xfe', b'\xfe\xff'))
        lines = content.decode('utf-16' if utf16 else 'utf-8-sig').splitlines()
    except UnicodeError as error:
        raise UsageError(f'{path} is no text in UTF-8 or UTF-16: save it as UTF-8.') from error
    except (OSError, ValueError) as error:
        reason = str(getattr(error, 'strerror', error)).lower()
        raise UsageError(f'{path} cannot be read ({reason}): mend path or permissions.') from error
    return [line.strip() for line in lines if line.strip()]


def require_absent(path: str | Path, remedy: str = 'choose another with --out') -> None:
    """Raise a UsageError, which ends in the remedy, if a file or folder exists already; call it before anything is computed."""
    if Path(path).exists():
        raise UsageError(f'{path} exists already and is not overwritten: {remedy}.')


def find_data(data_root: str, what: str, remedy: str) -> Path:
    """Find a data folder, a relative one in the current folder and then in the repository; a UsageError if there is none."""
    folder = Path(data_root).expanduser()
    candidates = [Path.cwd() / folder, REPOSITORY / folder]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    places = ' or '.join(dict.fromkeys(str(path) for path in candidates))
    raise UsageError(f'{what} was looked for in {places}, but there is no such folder: {remedy}.')

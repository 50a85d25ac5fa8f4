import os
import shutil
import tempfile
from pathlib import Path

from .finding import Finding

GIB = 2**30


def check_folder(folder: Path, what: str, least: int = 2 * GIB) -> list[Finding]:
    """Look whether a folder can be written to, by writing, and how much space is left.

    Args:
        folder (Path): It need not exist: then the nearest existing one above it counts.
        what (str): What it is for.
        least (int): Bytes below which a warning comes. Defaults to 2 GiB: a run keeps two checkpoints and the best.

    Returns:
        list[Finding]: One.
    """
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(p))
    elsewhere = 'write elsewhere with --work-dir, --out or TMPDIR, or change the permissions'
    if not place.is_dir():
        text = f'{what} cannot be written: {place} is no folder'
        return [Finding('problem', text, 'move it away')]
    try:
        # a file that goes by itself; permissions alone say nothing of a read-only disk
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b'0')
    except OSError as error:
        text = f'{what} cannot be written: {place}: {error.strerror or error}'
        return [Finding('problem', text, elsewhere)]
    free = shutil.disk_usage(place).free
    text = f'{what} can be written to {folder}, {free / GIB:.1f} GiB free'
    if free < least:
        return [Finding('warning', f'{text}: less than {least / GIB:g} GiB', elsewhere)]
    return [Finding('ok', text)]

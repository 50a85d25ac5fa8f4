from collections.abc import Sequence
from pathlib import Path

from custom_modules.usage_error import UsageError


def require_free_folder(folder: Path, patterns: Sequence[str]) -> None:
    """Refuse a folder for results that holds such results already, before anything is computed.

    Args:
        folder (Path): Where results are to be written; it need not be there.
        patterns (Sequence[str]): Names of the results, with wildcards.

    Raises:
        UsageError: If there is one of them, or a file is in the way.
    """
    for path in (folder, *folder.parents):
        if path.is_file():
            raise UsageError(f'{path} is a file, but --out is a folder: choose another.')
    for pattern in patterns:
        for found in folder.glob(pattern):
            raise UsageError(
                f'{found} exists already and is not overwritten: choose another folder with --out.'
            )

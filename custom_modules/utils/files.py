"""Files and folders: where the repository is, what exists already."""

from collections.abc import Sequence
from pathlib import Path

from custom_modules.utils.errors import UsageError


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


REPOSITORY = Path(__file__).resolve().parents[2]


def find_data(data_root: str, what: str, remedy: str) -> Path:
    """Find a data folder from any current folder.

    A relative path is looked up in the current folder first, as everywhere in OpenMMLab, and then in the
    repository, so that ``data/...`` of the configs works wherever a command is started.

    Args:
        data_root (str): The folder as the config names it.
        what (str): What is looked for, for the error's sentence.
        remedy (str): What helps, for the error's sentence.

    Returns:
        Path: The existing folder.

    Raises:
        UsageError: If there is no such folder.
    """
    candidates = [Path(data_root).expanduser()]
    if not candidates[0].is_absolute():
        candidates = [Path.cwd() / data_root, REPOSITORY / data_root]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    places = ' or '.join(dict.fromkeys(str(path) for path in candidates))
    raise UsageError(f'{what} was looked for in {places}, but there is no such folder: {remedy}.')

from collections.abc import Iterable
from pathlib import Path

from mmengine.logging import MMLogger

from custom_modules.usage_error import UsageError


def find_files(folder: str, prefix: str, suffix: str, what: str, remedy: str) -> dict[str, Path]:
    """Find the files of a folder by how they are named.

    Files that are named otherwise are not used, which is said in a warning.

    Args:
        folder (str): The folder, without its sub-folders.
        prefix (str): What a name has before the id.
        suffix (str): What a name has after the id.
        what (str): What is looked for, for the sentences.
        remedy (str): What helps when nothing is found, for the error's sentence.

    Returns:
        dict[str, Path]: The file of each id.

    Raises:
        UsageError: If there is no such folder, or no such file in it.
    """
    if not Path(folder).is_dir():
        raise UsageError(
            f'The {what} were looked for in {folder}, but there is no such folder: {remedy}.'
        )
    files = sorted(p for p in Path(folder).iterdir() if not p.name.startswith('.'))
    found = {
        p.name[len(prefix) : len(p.name) - len(suffix)]: p
        for p in files
        if p.name.startswith(prefix) and p.name.endswith(suffix)
    }
    used = set(found.values())
    others = [p.name for p in files if p not in used]
    if not found:
        raise UsageError(
            f'0 {what} named {prefix}*{suffix} were found in {folder}, which holds '
            f'{len(others)} other files{": " + first_five(others) if others else ""}; {remedy}, or set '
            'img_prefix, mask_prefix, img_suffix and seg_map_suffix to how your files are named.'
        )
    if others:
        warn(
            f'{len(others)} files in {folder} are not named {prefix}*{suffix} and are not used: '
            f'{first_five(others)}'
        )
    return found


def first_five(names: Iterable[str]) -> str:
    """Name the first five, and say whether there are more."""
    names = list(names)
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')


def warn(message: str) -> None:
    """Say what is not used; nothing is silently dropped."""
    MMLogger.get_current_instance().warning(message)

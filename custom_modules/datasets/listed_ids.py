from collections.abc import Collection
from pathlib import Path

from custom_modules.usage_error import UsageError

from .find_files import first_five


def listed_ids(path: Path, ids: Collection[str], data_root: str) -> list[str]:
    """Read which ids a list file chooses.

    Args:
        path (Path): File with one id per line.
        ids (Collection[str]): The ids that have a pair.
        data_root (str): Where the pairs lie, for the error's sentence.

    Returns:
        list[str]: The chosen ids, sorted, each once.

    Raises:
        UsageError: If there is no such file, it is empty, or an id has no pair.
    """
    example = next(iter(ids))
    if not path.is_file():
        raise UsageError(
            f'ann_file {path} does not exist; it lists one id per line, such as {example}.'
        )
    wanted = set(path.read_text(encoding='utf-8').split())
    unknown = sorted(wanted - set(ids))
    if unknown or not wanted:
        raise UsageError(
            f'{path} lists {len(wanted)} ids, {len(unknown)} of which have no pair in '
            f'{data_root}: {first_five(unknown) or "it is empty"}; write one id per line, such as {example}.'
        )
    return sorted(wanted)

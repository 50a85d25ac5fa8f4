"""Pairs of image and mask: how they are found."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import MMLogger

from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.images import SUFFIXES


class MissingMasksError(UsageError):
    """There are images, but not the masks to train on or to score with.

    Args:
        message (str): The sentence.
        images (str): The images' folder.
    """

    def __init__(self, message: str, images: str = '') -> None:
        super().__init__(message)
        self.images = images


def find_files(
    folder: str, prefix: str, suffix: str | Sequence[str] | None, what: str, remedy: str
) -> dict[str, Path]:
    """Find the files of a folder by how they are named.

    Files that are named otherwise are not used, which is said in a warning.

    Args:
        folder (str): The folder, without its sub-folders.
        prefix (str): What a name has before the id.
        suffix (str | Sequence[str], optional): What a name has after the id, in small or capital letters; of several any. None
            takes every picture.
        what (str): What is looked for, for the sentences.
        remedy (str): What helps when nothing is found, for the error's sentence.

    Returns:
        dict[str, Path]: The file of each id.

    Raises:
        UsageError: If there is no such folder or no such file in it, or two files have one id.
    """
    if not Path(folder).is_dir():
        raise UsageError(
            f'The {what} were looked for in {folder}, but there is no such folder: {remedy}.'
        )
    suffixes = SUFFIXES if suffix is None else (suffix,) if isinstance(suffix, str) else suffix
    # '_mask.png' before '.png'
    endings = sorted((ending.lower() for ending in suffixes), key=len, reverse=True)
    names = prefix + '*' + ' or *'.join(suffixes)
    found, others = {}, []
    for path in sorted(p for p in Path(folder).iterdir() if not p.name.startswith('.')):
        ending = next((ending for ending in endings if path.name.lower().endswith(ending)), None)
        if ending is None or not path.name.startswith(prefix):
            others.append(path.name)
            continue
        name = path.name[len(prefix) : len(path.name) - len(ending)]
        if name in found:
            raise UsageError(
                f'{found[name]} and {path.name} would have one id, {name!r}: rename or remove one of them, or name the one '
                f'ending that counts in {"img" if what == "images" else "seg_map"}_suffix.'
            )
        found[name] = path
    if not found:
        raise UsageError(
            f'0 {what} named {names} were found in {folder}, which holds '
            f'{len(others)} other files{": " + first_five(others) if others else ""}; {remedy}, or set '
            'img_prefix, mask_prefix, img_suffix and seg_map_suffix to how your files are named.'
        )
    if others:
        warn(
            f'{len(others)} files in {folder} are not named {names} and are not used: '
            f'{first_five(others)}'
        )
    return found


def warn(message: str) -> None:
    """Say what is not used; nothing is silently dropped."""
    MMLogger.get_current_instance().warning(message)


def find_pairs(images: tuple, masks: tuple, remedy: str) -> dict[str, tuple[Path, Path]]:
    """Find the image and the mask of each id.

    Masks without an image are not used, which is said in a warning.

    Args:
        images (tuple): The images' folder, prefix and suffixes, as :func:`find_files` takes them.
        masks (tuple): The same of the masks.
        remedy (str): What helps when nothing is found, for the error's sentence.

    Returns:
        dict[str, tuple[Path, Path]]: Image and mask of each id, in the order of the ids.

    Raises:
        UsageError: If a folder is missing or has no such file.
        MissingMasksError: If an image has no mask. A :class:`UsageError`.
    """
    image_of = find_files(*images, 'images', remedy)
    try:
        mask_of = find_files(*masks, 'masks', remedy)
    except UsageError as error:
        raise MissingMasksError(str(error), images[0]) from error
    unpaired = sorted(set(image_of) - set(mask_of))
    if unpaired:
        folder, prefix, suffix = masks
        suffix = suffix if isinstance(suffix, str) else ''
        raise MissingMasksError(
            f'{len(unpaired)} of {len(image_of)} images in {images[0]} have no {prefix}*{suffix} in {folder}: '
            f'{first_five(image_of[i].name for i in unpaired)}; add the masks or remove the images.',
            images[0],
        )
    orphans = sorted(set(mask_of) - set(image_of))
    if orphans:
        warn(
            f'{len(orphans)} masks without image are not used: {first_five(mask_of[i].name for i in orphans)}'
        )
    return {i: (image_of[i], mask_of[i]) for i in sorted(image_of)}

"""Pairs of image and mask: how they are found and checked."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger
from PIL import Image, ImageOps

from custom_modules.utils.errors import UsageError


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


def find_pairs(
    images: tuple[str, str, str], masks: tuple[str, str, str], remedy: str
) -> dict[str, tuple[Path, Path]]:
    """Find the image and the mask of each id.

    Masks without an image are not used, which is said in a warning.

    Args:
        images (tuple[str, str, str]): The images' folder, and what a name has before and after the id.
        masks (tuple[str, str, str]): The same of the masks.
        remedy (str): What helps when nothing is found, for the error's sentence.

    Returns:
        dict[str, tuple[Path, Path]]: Image and mask of each id, in the order of the ids.

    Raises:
        UsageError: If a folder is missing or has no such file, or an image has no mask.
    """
    image_of, mask_of = find_files(*images, 'images', remedy), find_files(*masks, 'masks', remedy)
    unpaired = sorted(set(image_of) - set(mask_of))
    if unpaired:
        folder, prefix, suffix = masks
        raise UsageError(
            f'{len(unpaired)} of {len(image_of)} images in {images[0]} have no {prefix}*{suffix} in {folder}: '
            f'{first_five(image_of[i].name for i in unpaired)}; add the masks or remove the images.'
        )
    orphans = sorted(set(mask_of) - set(image_of))
    if orphans:
        warn(
            f'{len(orphans)} masks without image are not used: {first_five(mask_of[i].name for i in orphans)}'
        )
    return {i: (image_of[i], mask_of[i]) for i in sorted(image_of)}


def check_pairs(
    pairs: Sequence[tuple[Path, Path]],
    value_sets: Sequence[Iterable[int]],
    values_text: str,
    values_remedy: str,
    colour_remedy: str,
) -> set[int]:
    """Read every image and mask once and refuse what would fail, or train on nonsense, later.

    Masks are read as mmseg's ``LoadAnnotations`` reads them, so a palette's indices count, not its colours.

    Args:
        pairs (Sequence[tuple[Path, Path]]): Image and mask.
        value_sets (Sequence[Iterable[int]]): What a mask may hold; all its values must be in one of the sets.
        values_text (str): The sets in words, for the error's sentence.
        values_remedy (str): What helps against other values, for the error's sentence.
        colour_remedy (str): What helps against masks of several channels, for the error's sentence.

    Returns:
        set[int]: The values that occur in the masks.

    Raises:
        UsageError: If a file is unreadable or truncated, a mask has several channels or other values, or sizes
            differ. The sentence names the first five files.
    """
    sets = [frozenset(values) for values in value_sets]
    # decoding releases the interpreter's lock, so threads help
    with ThreadPoolExecutor() as pool:
        findings = list(pool.map(lambda pair: _finding(pair, sets), pairs))
    for kind, what, remedy in (
        ('unreadable', 'an unreadable file', 'copy or download them again'),
        ('colour', 'a mask with several channels', colour_remedy),
        ('values', f'a mask with values other than {values_text}', values_remedy),
        (
            'size',
            'a mask of another size than its image',
            'resize the mask with nearest neighbour',
        ),
    ):
        found = [text for finding, text, _ in findings if finding == kind]
        if found:
            raise UsageError(
                f'{len(found)} of {len(pairs)} pairs have {what}: {first_five(found)}; {remedy}.'
            )
    return set().union(*(values for _, _, values in findings))


def _finding(
    pair: tuple[Path, Path], sets: Sequence[frozenset[int]]
) -> tuple[str, str, frozenset[int]]:
    arrays = []
    for path in pair:
        try:
            with Image.open(path) as picture:
                # cameras store some photographs lying; LoadImageFromFile turns them, LoadAnnotations does not
                turned = ImageOps.exif_transpose(picture) if path == pair[0] else picture
                arrays.append(np.asarray(turned))
        except (OSError, SyntaxError, ValueError) as error:
            return 'unreadable', f'{path} ({error})', frozenset()
    image, mask = arrays
    if mask.ndim != 2:
        return 'colour', f'{pair[1]} ({mask.shape[2]} channels)', frozenset()
    values = frozenset(np.unique(mask).tolist())
    if not any(values <= allowed for allowed in sets):
        # where several sets are allowed, none of the values is wrong by itself
        wrong = sorted(values - sets[0] if len(sets) == 1 else values)
        listed = ', '.join(str(int(value)) for value in wrong[:6])
        return 'values', f'{pair[1]} ({listed}{", ..." if len(wrong) > 6 else ""})', values
    if image.shape[:2] != mask.shape:
        sizes = f'image {image.shape[1]}x{image.shape[0]}, mask {mask.shape[1]}x{mask.shape[0]}'
        return 'size', f'{pair[1]} ({sizes})', values
    return '', '', values

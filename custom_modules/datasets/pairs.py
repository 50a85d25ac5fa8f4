"""Pairs of image and mask: finding them, and checking that both can be used, read as training reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import MMLogger

from custom_modules.datasets.masks import MaskValues
from custom_modules.utils.decoding import orientation
from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.images import SUFFIXES, ImageError, file_bytes, mask_palette, read_image, read_mask
from custom_modules.utils.tables import in_threads


class MissingMasksError(UsageError):
    """Some or all images in the folder ``images`` have no mask."""

    def __init__(self, message: str, images: str = '') -> None:
        super().__init__(message)
        self.images = images


def warn(message: str) -> None:
    """Log a warning, as about files that are not used."""
    MMLogger.get_current_instance().warning(message)


def find_files(folder: str, prefix: str, suffix: str | Sequence[str] | None, what: str, remedy: str) -> dict[str, Path]:
    """Find the files of a folder, without its sub-folders, by id; a warning lists files with other names.

    ``prefix`` and ``suffix`` (any of several, case-insensitive; None: every picture's) surround the id in a name. Raises a
    UsageError, in the words of ``what`` (``'images'`` or ``'masks'``) and ``remedy``, if folder or files are missing, or two files
    have one id.
    """
    if not Path(folder).is_dir():
        raise UsageError(f'The {what} were looked for in {folder}, but there is no such folder: {remedy}.')
    suffixes = np.atleast_1d(SUFFIXES if suffix is None else suffix).tolist()
    # longest first: '_mask.png' before '.png'
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
        named = f': {first_five(others)}' if others else ''
        raise UsageError(
            f'0 {what} named {names} were found in {folder}, which holds {len(others)} other files{named}; '
            f'{remedy}, or set img_prefix, mask_prefix, img_suffix and seg_map_suffix to how your files are named.'
        )
    if others:
        warn(f'{len(others)} files in {folder} are not named {names} and are not used: {first_five(others)}')
    return found


def find_pairs(images: tuple, masks: tuple, remedy: str) -> dict[str, tuple[Path, Path]]:
    """Find image and mask of each id, sorted by id; a warning lists masks without an image.

    ``images`` and ``masks`` are folder, prefix and suffixes as :func:`find_files` takes them, whose errors are raised; or a
    :class:`MissingMasksError` if an image has no mask.
    """
    image_of = find_files(*images, 'images', remedy)
    try:
        mask_of = find_files(*masks, 'masks', remedy)
    except UsageError as error:
        raise MissingMasksError(str(error), images[0]) from error
    if unpaired := sorted(set(image_of) - set(mask_of)):
        folder, prefix, suffix = masks
        suffix = suffix if isinstance(suffix, str) else ''
        raise MissingMasksError(
            f'{len(unpaired)} of {len(image_of)} images in {images[0]} have no {prefix}*{suffix} in {folder}: '
            f'{first_five(image_of[i].name for i in unpaired)}; add the masks or remove the images.',
            images[0],
        )
    if orphans := sorted(set(mask_of) - set(image_of)):
        warn(f'{len(orphans)} masks without image are not used: {first_five(mask_of[i].name for i in orphans)}')
    return {i: (image_of[i], mask_of[i]) for i in sorted(image_of)}


# kind: description, and the remedy if it is the same for all files and data sets
DEFECTS = dict(
    unreadable_image=('an unreadable file', 'copy or download them again'),
    unreadable_mask=('an unreadable file', 'copy or download them again'),
    unclear_pixels=('a file that does not say what its pixels mean', ''),
    several_channels=('a mask with several channels', ''),
    wrong_palette=("a mask whose palette shows its indices in other classes' colours",
                   'save them as grey PNG without a palette, with the class index of each pixel, or correct the palette of the config'),
    stray_values=('a mask with values other than', ''),
    turned_away=('a mask that fits its image only before an EXIF tag turns one of them', ''),
    size_mismatch=('a mask of another size than its image', 'resize the mask with nearest neighbour'),
)  # fmt: skip


class Defect(NamedTuple):
    """A defect of a file."""

    kind: str  # a key of DEFECTS, or 'perhaps_turned', which is only warned of
    path: Path
    details: str
    remedy: str = ''  # what helps, if that depends on the file


def read_pair(
    image: Path | None, mask: Path | None, values: MaskValues
) -> tuple[np.ndarray | None, np.ndarray | None, set[int], list[Defect]]:
    """Read an image and its mask, if given, and find their defects, each kind once.

    Returns the image's RGB pixels and the mask's values as training reads them (None if unreadable), the set of the mask's
    values, and the findings.
    """
    found, contents, arrays = [], [], []
    for path, read, what in ((image, read_image, 'image'), (mask, read_mask, 'mask')):
        content = pixels = None
        try:
            if path is not None:
                content, _ = file_bytes(path, what=what)
                pixels = read(content)
        except ImageError as error:
            kinds = dict(unreadable=f'unreadable_{what}', ambiguous='unclear_pixels')
            found.append(Defect(kinds.get(error.kind, error.kind), path, error.reason, error.remedy))
        contents.append(content)
        arrays.append(pixels)
    pixels, labels = arrays
    if labels is None or image is None:
        return pixels, labels, set(), found
    occurring = np.flatnonzero(count_values(labels)) if labels.dtype == np.uint8 else np.unique(labels)
    occurring = set(occurring.tolist())
    if wrong := values.stray(occurring):
        listed = ', '.join(map(str, wrong[:6])) + (', ...' if len(wrong) > 6 else '')
        found.append(Defect('stray_values', mask, listed))
    elif values.class_of and (details := values.contradiction(mask_palette(contents[1]))):
        found.append(Defect('wrong_palette', mask, details))
    if pixels is not None:
        found += _compare_sizes(image, mask, contents, pixels.shape[:2], labels.shape)
    return pixels, labels, occurring, found


def _compare_sizes(image: Path, mask: Path, contents: Sequence[bytes], size: tuple, mask_size: tuple) -> list[Defect]:
    tags = [orientation(content) for content in contents]
    if size == mask_size:
        # if one file alone has a tag, and that turns by a quarter, then equal sizes (of no square) prove that the mask was drawn upright
        proven = min(tags) == 1 and max(tags) >= 5 and size[0] != size[1]
        if tags[0] == tags[1] or proven:
            return []
        return [Defect('perhaps_turned', mask, f'image {tags[0]}, mask {tags[1]}')]
    sizes = f'image {size[1]}x{size[0]}, mask {mask_size[1]}x{mask_size[0]}'
    turned = next((path for path, tag in zip((image, mask), tags, strict=True) if tag >= 5), None)
    if size == mask_size[::-1] and turned:
        remedy = f'remove the tag, as with `exiftool -Orientation= {turned.parent}/*{turned.suffix}`, since both files fit as they are stored'
        return [Defect('turned_away', mask, f'{sizes}, turned: {turned.name}', remedy)]
    return [Defect('size_mismatch', mask, sizes)]


def check_pairs(
    pairs: Sequence[tuple[Path, Path]], values: MaskValues, values_text: str, values_remedy: str, colour_remedy: str
) -> set[int]:
    """Read every image and mask once, as training does, and return the values that occur in the masks.

    Raises a UsageError that lists five files of the first kind in ``DEFECTS`` that occurs. ``values_text`` says in it what a mask may
    hold, ``values_remedy`` what helps against other values, ``colour_remedy`` what helps against several channels.
    """
    examined = in_threads(lambda pair: read_pair(*pair, values)[2:], pairs)
    of_kind = {}
    for _, findings in examined:
        # later findings of a pair may be consequences of its first
        for finding in findings[:1]:
            of_kind.setdefault(finding.kind, []).append(finding)
    remedies = dict(several_channels=colour_remedy, stray_values=values_remedy)
    if kind := next((kind for kind in DEFECTS if kind in of_kind), None):
        found, (what, remedy) = of_kind[kind], DEFECTS[kind]
        remedy = remedy or remedies.get(kind) or found[0].remedy
        what += f' {values_text}' if kind == 'stray_values' else ''
        named = first_five(f'{finding.path} ({finding.details})' for finding in found)
        raise UsageError(f'{len(found)} of {len(pairs)} pairs have {what}: {named}; {remedy}.')
    if unsure := of_kind.get('perhaps_turned'):
        warn(
            f'{len(unsure)} images are turned by their EXIF tag otherwise than their masks, and the sizes do not say whether '
            f'the masks were drawn upright: look at {first_five(str(finding.path) for finding in unsure)} with tools/visualize.py'
        )
    return set().union(*(occurring for occurring, _ in examined))


def count_values(values: np.ndarray, size: int = 256) -> np.ndarray:
    """Count how often each of 0 to ``size - 1`` occurs, int64 (size,): block by block, since ``np.bincount`` converts its input to 64 bits."""
    flat, block = values.ravel(), 1 << 20
    parts = (flat[start : start + block] for start in range(0, flat.size, block))
    return sum((np.bincount(part, minlength=size) for part in parts), np.zeros(size, np.int64))

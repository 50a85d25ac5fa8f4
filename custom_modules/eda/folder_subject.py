import os
from collections.abc import Sequence
from pathlib import Path

from custom_modules.datasets.class_palette import class_palette
from custom_modules.datasets.find_files import first_five, warn
from custom_modules.datasets.index_masks import IndexMasks
from custom_modules.usage_error import UsageError

from .mask_values import MaskValues
from .part import Part
from .rock_masks import rock_masks
from .subject import Subject

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')


def folder_subject(
    images: str,
    masks: str,
    classes: Sequence[str] | None = None,
    label_map: dict[int, int] | None = None,
    ignore_index: int | None = None,
    img_prefix: str = '',
    mask_prefix: str = '',
) -> Subject:
    """List the pairs of two folders, as one part.

    Args:
        images (str): Folder of the images, without its sub-folders.
        masks (str): Folder of the masks.
        classes (Sequence[str], optional): Names of the classes. Background and rock where masks of 0/255 or 0/1,
            or a ``label_map`` to two classes, speak for it.
        label_map (dict[int, int], optional): Class index of each mask value. By default both 255 and 1 are the second of
            two classes where the masks look so, else values are class indices.
        ignore_index (int, optional): Mask value of pixels without a class.
        img_prefix (str): What an image's name has before the id. Defaults to ``''``.
        mask_prefix (str): What a mask's name has before the id. Defaults to ``''``.

    Returns:
        Subject: The part ``'all'``.

    Raises:
        UsageError: If a folder is missing or holds no picture, two files have one id, or the masks do not say what
            the classes are.
    """
    found = _find(images, img_prefix, 'images'), _find(masks, mask_prefix, 'masks')
    if not found[0].keys() & found[1].keys():
        examples = ' and '.join(next(iter(files.values())).name for files in found)
        raise UsageError(
            f'no image in {images} has a mask of the same name in {masks} (there are {examples}): name what stands before '
            'what both share with --img-prefix and --mask-prefix, such as --img-prefix render --mask-prefix ground.'
        )
    labels, sets = label_map, None
    if label_map is None and ignore_index is None and (classes is None or len(classes) == 2):
        values = rock_masks(list(found[1].values()))
        if values is None:
            labels, sets = {0: 0, 1: 1, 255: 1}, ({0, 255}, {0, 1})
        elif classes is None:
            raise UsageError(
                f'the masks in {masks} hold the values {first_five(map(str, sorted(values)))}, which are neither 0/255 nor 0/1: '
                'name the class of each index in order, such as --classes background small_rock large_rock, or give --label-map too.'
            )
    if classes is None and max(labels.values() if labels else [2]) > 1:
        raise UsageError(
            'the masks have more classes than background and rock: name them in order with --classes.'
        )
    known = IndexMasks(classes or ('background', 'rock'), labels, ignore_index)
    return Subject(
        source=f'{images} and {masks}',
        root=Path(os.path.commonpath([Path(images).resolve(), Path(masks).resolve()])),
        classes=known.classes,
        palette=class_palette(len(known.classes)),
        load_size=None,
        parts=[Part('all', *found, MaskValues(known.labels, sets))],
    )


def _find(folder: str, prefix: str, what: str) -> dict[str, Path]:
    if not Path(folder).is_dir():
        raise UsageError(
            f'the {what} were looked for in {folder}, but there is no such folder: name an existing one with --{what}.'
        )
    found, others = {}, []
    for path in sorted(Path(folder).resolve().glob('[!.]*')):
        if path.suffix.lower() not in SUFFIXES or not path.name.startswith(prefix):
            others.append(path.name)
            continue
        name = path.stem.removeprefix(prefix)
        if name in found:
            raise UsageError(
                f'{found[name]} and {path.name} would share a partner: rename one of them.'
            )
        found[name] = path
    if not found:
        raise UsageError(
            f'0 {what} named {prefix}* with the ending {", ".join(SUFFIXES)} were found in {folder}, which holds '
            f'{len(others)} other files{": " + first_five(others) if others else ""}: choose another folder or prefix.'
        )
    if others:
        warn(f'{len(others)} files in {folder} are not used: {first_five(others)}')
    return found

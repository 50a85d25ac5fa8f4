"""Where the examined images come from: a config or a folder."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from custom_modules.datasets.masks import MaskValues, class_palette
from custom_modules.datasets.pairs import find_files
from custom_modules.datasets.splits import listed_ids
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import read_lines
from custom_modules.utils.images import ImageError, read_mask

MOST_CLASSES = 32  # more values are no classes, but edges that JPEG or smoothing made: defects of rock masks


@dataclass(frozen=True)
class Part:
    """The files of one part (``'train'``, ``'val'``, ``'test'``, ``'all'``, ``'no part'``) by id, complete or not.

    ``absent`` are ids that the part's list names and no file has.
    """

    name: str
    images: dict[str, Path]
    masks: dict[str, Path]
    values: MaskValues
    absent: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        """All ids that have a file, sorted."""
        return sorted(self.images.keys() | self.masks.keys())

    @property
    def pairs(self) -> list[str]:
        """The ids that have both, sorted."""
        return sorted(self.images.keys() & self.masks.keys())

    def files(self) -> list[tuple[Path | None, Path | None]]:
        """Image and mask of each id, None for what is missing."""
        return [(self.images.get(i), self.masks.get(i)) for i in self.ids]


@dataclass(frozen=True)
class Subject:
    """What is looked at: parts of one data set, with the same classes, training first.

    Args:
        source (str): What the user named: a config, or two folders.
        root (Path): Folder that file names are told from.
        classes (tuple[str, ...]): Names of the classes, the background first.
        palette (Sequence[Sequence[int]]): RGB of each class.
        load_size (tuple[int, int], optional): (width, height) of training, None for full size.
        parts (list[Part]): The parts.
        loose (Part, optional): Files without a partner, where only whole pairs are cut into parts.
        unused (tuple[str, ...]): Ids of whole pairs that no part takes.
        same (dict[str, str]): Parts that equal another and are not counted twice, such as test: val.
    """

    source: str
    root: Path
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]]
    load_size: tuple[int, int] | None
    parts: list[Part]
    loose: Part | None = None
    unused: tuple[str, ...] = ()
    same: dict[str, str] = field(default_factory=dict)

    @property
    def training(self) -> str | None:
        """Name of the part that trains."""
        return next((part.name for part in self.parts if part.name in ('train', 'all')), None)

    def label(self, path: Path) -> str:
        """Name a file as short as it is still found."""
        return Path(os.path.relpath(path, self.root)).as_posix()


def dataset_part(name: str, dataset, folders: dict[str, dict[str, Path]]) -> tuple[Part, Part]:
    """List the files of one data set, also those that lack their partner: the part, and everything that its folders hold.

    Args:
        name (str): Name of the part.
        dataset (IndexedMaskDataset): The data set, built with ``lazy_init=True``.
        folders (dict): The files of each folder that was read before, which gives its warnings once; it is filled.
    """
    files = []
    for names, what in zip(dataset.file_names(), ('images', 'masks'), strict=True):
        # several endings are a list, which is no key
        if str(names) not in folders:
            folders[str(names)] = find_files(*names, what, dataset.remedy)
        files.append(folders[str(names)])
    everything = Part('no part', *files, dataset.masks)
    ids, absent = _ids(dataset, everything)
    pairs = set(everything.pairs)
    whole = dataset.train_share([i for i in ids if i in pairs])
    # what lacks its partner stays, to be named
    ids = [i for i in ids if i in whole or i not in pairs]
    images, masks = ({i: files[i] for i in ids if i in files} for files in (everything.images, everything.masks))
    return Part(name, images, masks, dataset.masks, absent), everything


def _ids(dataset, everything: Part) -> tuple[list[str], tuple[str, ...]]:
    if dataset.ann_file:
        path = Path(dataset.ann_file)
        wanted = set(read_lines(path)) if path.is_file() else set()
        known = sorted(wanted.intersection(everything.ids))
        if not known:
            # says whether there is no list, it is empty, or its names are not the ids
            listed_ids(path, everything.ids, dataset.data_root)
        return dataset.cut(known), tuple(sorted(wanted.difference(known)))
    if dataset.own_folders:
        return everything.ids, ()
    # as find_pairs does before it is cut: whole pairs only
    return dataset.cut(everything.pairs), ()


def config_subject(config: str, options: Sequence[str] = ()) -> Subject:
    """List the files of a config's data sets (train, val, test, as far as it has them), whatever is wrong with them.

    The data sets themselves say where their files lie, how they are split and what masks may hold: they are
    built, but not told to list their files, which would raise at the first defect. This imports torch and mmseg.
    The config is a segmentor's; ``options`` are ``--cfg-options``, as ``KEY=VALUE``.
    """
    from mmengine.registry import init_default_scope

    from custom_modules.engine.config import load_config, read_options

    cfg = load_config(config, read_options(options))
    if cfg.get('default_scope') != 'mmseg':
        raise UsageError(
            f'{config} trains no segmentor, and only masks can be looked at: choose a config with '
            "default_scope='mmseg', such as configs/unet_baseline.py."
        )
    init_default_scope('mmseg')
    from mmseg.registry import DATASETS

    from custom_modules.datasets.mask_datasets import IndexedMaskDataset

    datasets, parts, everything, folders = [], [], [], {}
    for name in ('train', 'val', 'test'):
        if not (options := (cfg.get(f'{name}_dataloader') or {}).get('dataset')):
            continue
        kind = DATASETS.get(options.type) if isinstance(options.type, str) else options.type
        if not (isinstance(kind, type) and issubclass(kind, IndexedMaskDataset)):
            raise UsageError(
                f'the {name} data set of {config} is of type {options.type}, but only MoonDataset and '
                'IndexedMaskDataset say where their files lie: use one of them, or name two folders with --images and --masks.'
            )
        # the pipeline would only cost time, and may need libraries that looking does not
        datasets.append(DATASETS.build(dict(options, pipeline=[], lazy_init=True)))
        part, whole = dataset_part(name, datasets[-1], folders)
        parts.append(part)
        everything.append(whole)
    if not parts:
        raise UsageError(
            f'{config} has no data set: set train_dataloader, as in configs/_base_/datasets/moon_binary.py.'
        )
    first = datasets[0]
    classes = first.metainfo['classes']
    for dataset, part in zip(datasets, parts, strict=True):
        if (others := dataset.metainfo['classes']) != classes:
            raise UsageError(
                f'the data sets of {config} have different classes: {", ".join(classes)} in {parts[0].name}, '
                f'{", ".join(others)} in {part.name}; set the same for all of them.'
            )
    files = {part.name: part.files() for part in parts}
    # a test set that is the validation set is no leak, and is not counted twice
    same = {'test': 'val'} if 'test' in files and files['test'] == files.get('val') else {}
    used = [part for part in parts if part.name not in same]
    places = Path(first.data_root), classes, first.metainfo['palette'], first.load_size
    return Subject(config, *places, used, *_left_over(parts, everything), same)


def _left_over(parts: list[Part], everything: list[Part]) -> tuple[Part, tuple[str, ...]]:
    taken = {path for part in parts for pair in part.files() for path in pair}
    images, masks, unused = {}, {}, set()
    for whole in everything:
        for i, (image, mask) in zip(whole.ids, whole.files(), strict=True):
            if taken.isdisjoint((image, mask)) and image and mask:
                unused.add(i)
            elif image and not mask and image not in taken:
                images[str(image)] = image
            elif mask and not image and mask not in taken:
                masks[str(mask)] = mask
    return Part('no part', images, masks, everything[0].values), tuple(sorted(unused))


def _show_rocks(masks: Sequence[Path]) -> bool:
    """Look into 16 of the masks, spread evenly: at least half are 0/255 or 0/1, or values are too many for classes, and defects."""
    found = []
    for path in masks[:: max(1, len(masks) // 16)][:16]:
        with contextlib.suppress(ImageError):
            found.append(set(np.unique(read_mask(path)).tolist()))
    binary = [values for values in found if values <= {0, 255} or values <= {0, 1}]
    return 2 * len(binary) >= len(found) or len(set().union(*found)) > MOST_CLASSES


def folder_subject(
    images: str,
    masks: str,
    classes: Sequence[str] | None = None,
    label_map: dict[int, int] | None = None,
    ignore_index: int | None = None,
    img_prefix: str = '',
    mask_prefix: str = '',
) -> Subject:
    """List the pairs of two folders, without their sub-folders, as the one part ``'all'``.

    A name may have ``img_prefix`` or ``mask_prefix`` before the id. Pixels of the mask value ``ignore_index`` have no class.
    Without ``classes`` they are background and rock where masks of 0/255 or 0/1, or a ``label_map`` (class index of each mask
    value) to two classes, speak for it; else a UsageError. Without a ``label_map`` both 255 and 1 are the second of two classes
    where the masks look so, else values are class indices.
    """
    found = (
        find_files(images, img_prefix, None, 'images', 'name another with --images'),
        find_files(masks, mask_prefix, None, 'masks', 'name another with --masks'),
    )
    if not found[0].keys() & found[1].keys():
        examples = ' and '.join(next(iter(files.values())).name for files in found)
        raise UsageError(
            f'no image in {images} has a mask of the same name in {masks} (there are {examples}): name what stands before '
            'what both share with --img-prefix and --mask-prefix, such as --img-prefix render --mask-prefix ground.'
        )
    labels, sets = label_map, None
    open_to_rocks = label_map is None and ignore_index is None and (classes is None or len(classes) == 2)
    if open_to_rocks and _show_rocks(list(found[1].values())):
        labels, sets = {0: 0, 1: 1, 255: 1}, ({0, 255}, {0, 1})
    if classes is None and (labels is None or max(labels.values()) > 1):
        raise UsageError(
            f'the masks in {masks} are not plainly 0/255 or 0/1: name the class of each index in order, such as '
            '--classes background small_rock large_rock, or give --label-map too.'
        )
    known = MaskValues(classes or ('background', 'rock'), labels, ignore_index, sets)
    root = Path(os.path.commonpath([Path(images).resolve(), Path(masks).resolve()]))
    palette, parts = class_palette(len(known.classes)), [Part('all', *found, known)]
    return Subject(f'{images} and {masks}', root, known.classes, palette, None, parts)

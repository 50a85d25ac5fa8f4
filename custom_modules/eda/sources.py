"""Lists the files to examine, from a config or from two folders."""

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

MOST_CLASSES = 32  # more values are taken for rock masks whose edges JPEG or smoothing has damaged


@dataclass(frozen=True)
class Part:
    """The files of one part by id, also those without a partner."""

    name: str  # 'train', 'val', 'test', 'all' or 'no part'
    images: dict[str, Path]
    masks: dict[str, Path]
    values: MaskValues  # that the masks may hold
    absent: tuple[str, ...] = ()  # ids in the part's list that have no file

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
    """The data set to examine: its parts, with the same classes, training first."""

    source: str  # what the user named: a config, or two folders
    root: Path  # folder that reported file names are relative to
    classes: tuple[str, ...]  # names, the background first
    palette: Sequence[Sequence[int]]  # RGB of each class
    load_size: tuple[int, int] | None  # (width, height) of training, None for full size
    parts: list[Part]
    loose: Part | None = None  # files without a partner, where only complete pairs are split into parts
    unused: tuple[str, ...] = ()  # ids of complete pairs that belong to no part
    same: dict[str, str] = field(default_factory=dict)  # parts that equal another and are not counted twice: test: val

    @property
    def training(self) -> str | None:
        """Name of the training part."""
        return next((part.name for part in self.parts if part.name in ('train', 'all')), None)

    def label(self, path: Path) -> str:
        """Path of a file relative to ``root``."""
        return Path(os.path.relpath(path, self.root)).as_posix()


def dataset_part(name: str, dataset, folders: dict[str, dict[str, Path]]) -> tuple[Part, Part]:
    """List the files of one data set, also those without a partner: those of the part, and all in its folders.

    It is an ``IndexedMaskDataset``, built with ``lazy_init=True``. ``folders`` caches the files of each folder, so that each is
    listed, and its warnings are given, once.
    """
    files = []
    for names, what in zip(dataset.file_names(), ('images', 'masks'), strict=True):
        # as text, since a list of several suffixes is not hashable
        if str(names) not in folders:
            folders[str(names)] = find_files(*names, what, dataset.remedy)
        files.append(folders[str(names)])
    everything, absent = Part('no part', *files, dataset.masks), ()
    if dataset.ann_file:
        path = Path(dataset.ann_file)
        wanted = set(read_lines(path)) if path.is_file() else set()
        known = sorted(wanted.intersection(everything.ids))
        if not known:
            # raises an error that says whether the list is missing, empty, or of other names
            listed_ids(path, everything.ids, dataset.data_root)
        ids, absent = dataset.cut(known), tuple(sorted(wanted.difference(known)))
    else:
        # a hashed split divides complete pairs only, as in training
        ids = everything.ids if dataset.own_folders else dataset.cut(everything.pairs)
    pairs = set(everything.pairs)
    used = dataset.train_share([i for i in ids if i in pairs])
    # files without a partner are kept, to be reported
    ids = [i for i in ids if i in used or i not in pairs]
    images, masks = ({i: found[i] for i in ids if i in found} for found in files)
    return Part(name, images, masks, dataset.masks, absent), everything


def config_subject(config: str, options: Sequence[str] = ()) -> Subject:
    """List the files of the train, val and test sets of a segmentor's config, whatever is wrong with them.

    The data sets define where their files are, how they are split and what masks may hold. They are built, but do not
    load their list of files, which would raise at the first defect. This imports torch and mmseg. ``options`` are
    ``--cfg-options``, as ``KEY=VALUE``.
    """
    from mmengine.registry import init_default_scope

    from custom_modules.engine.config import find_class, load_config, read_options, value_at

    cfg = load_config(config, read_options(options))
    if cfg.get('default_scope') != 'mmseg':
        raise UsageError(
            f'{config} trains no segmentor, and only masks can be looked at: choose a config with '
            "default_scope='mmseg', such as configs/unet_baseline.py."
        )
    init_default_scope('mmseg')
    from mmseg.registry import DATASETS

    from custom_modules.datasets.mask_datasets import IndexedMaskDataset

    datasets, parts, contents, folders = [], [], [], {}
    for name in ('train', 'val', 'test'):
        if not (dataset := value_at(cfg, f'{name}_dataloader', 'dataset')):
            continue
        kind = find_class(DATASETS, 'mmseg', dataset)
        if not (isinstance(kind, type) and issubclass(kind, IndexedMaskDataset)):
            raise UsageError(
                f'the {name} data set of {config} is of type {dataset.type}, but only MoonDataset and '
                'IndexedMaskDataset say where their files lie: use one of them, or name two folders with --images and --masks.'
            )
        # without its pipeline, which may need further libraries
        datasets.append(DATASETS.build(dict(dataset, pipeline=[], lazy_init=True)))
        part, everything = dataset_part(name, datasets[-1], folders)
        parts.append(part)
        contents.append(everything)
    if not parts:
        raise UsageError(f'{config} has no data set: set train_dataloader, as in configs/_base_/datasets/moon_binary.py.')
    first = datasets[0]
    classes = first.metainfo['classes']
    for dataset, part in zip(datasets, parts, strict=True):
        if (others := dataset.metainfo['classes']) != classes:
            raise UsageError(
                f'the data sets of {config} have different classes: {", ".join(classes)} in {parts[0].name}, '
                f'{", ".join(others)} in {part.name}; set the same for all of them.'
            )
    files = {part.name: part.files() for part in parts}
    # a test set that equals the validation set is no leak, and is not counted twice
    same = {'test': 'val'} if 'test' in files and files['test'] == files.get('val') else {}
    used = [part for part in parts if part.name not in same]
    common = Path(first.data_root), classes, first.metainfo['palette'], first.load_size
    return Subject(config, *common, used, *_files_of_no_part(parts, contents), same)


def _files_of_no_part(parts: list[Part], contents: list[Part]) -> tuple[Part, tuple[str, ...]]:
    taken = {path for part in parts for path in (*part.images.values(), *part.masks.values())}
    images, masks, unused = {}, {}, set()
    for everything in contents:
        for i, (image, mask) in zip(everything.ids, everything.files(), strict=True):
            free = taken.isdisjoint((image, mask))
            if free and image and mask:
                unused.add(i)
            elif free and image:
                images[str(image)] = image
            elif free:
                masks[str(mask)] = mask
    return Part('no part', images, masks, contents[0].values), tuple(sorted(unused))


def _are_rock_masks(masks: Sequence[Path]) -> bool:
    """Whether at least half of 16 evenly spaced masks are 0/255 or 0/1, or they hold too many values to be class indices."""
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
    Without ``classes`` they are background and rock if the masks are 0/255 or 0/1, or ``label_map`` (class index of each mask
    value) has two classes; else a UsageError is raised. Without a ``label_map`` both 255 and 1 are the second of two classes
    if the masks are 0/255 or 0/1, else values are class indices.
    """
    image_of = find_files(images, img_prefix, None, 'images', 'name another with --images')
    mask_of = find_files(masks, mask_prefix, None, 'masks', 'name another with --masks')
    if not image_of.keys() & mask_of.keys():
        examples = ' and '.join(next(iter(files.values())).name for files in (image_of, mask_of))
        raise UsageError(
            f'no image in {images} has a mask of the same name in {masks} (there are {examples}): name what stands before '
            'what both share with --img-prefix and --mask-prefix, such as --img-prefix render --mask-prefix ground.'
        )
    labels, sets = label_map, None
    may_be_rocks = label_map is None and ignore_index is None and (classes is None or len(classes) == 2)
    if may_be_rocks and _are_rock_masks(list(mask_of.values())):
        labels, sets = {0: 0, 1: 1, 255: 1}, ({0, 255}, {0, 1})
    if classes is None and (labels is None or max(labels.values()) > 1):
        raise UsageError(
            f'the masks in {masks} are not plainly 0/255 or 0/1: name the class of each index in order, such as '
            '--classes background small_rock large_rock, or give --label-map too.'
        )
    values = MaskValues(classes or ('background', 'rock'), labels, ignore_index, sets)
    root = Path(os.path.commonpath([Path(images).resolve(), Path(masks).resolve()]))
    palette, parts = class_palette(len(values.classes)), [Part('all', image_of, mask_of, values)]
    return Subject(f'{images} and {masks}', root, values.classes, palette, None, parts)

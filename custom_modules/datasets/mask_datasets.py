"""Data sets of pairs of image and mask: of any classes, and of rocks on the Moon."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.structures import PixelData
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch import Tensor

# registers the loaders, which read files as check_pairs does
from custom_modules.datasets import transforms  # noqa: F401
from custom_modules.datasets.cache import DecodeOnce
from custom_modules.datasets.masks import IGNORED, MaskValues, class_palette
from custom_modules.datasets.pairs import check_pairs, find_pairs, warn
from custom_modules.datasets.samples import SeededSamples
from custom_modules.datasets.splits import FOLDS, fold_split, hashed_order, hashed_split, listed_ids, require_fold
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import find_data


class SegBatch(SegDataSample):
    """A batch as one sample, with all masks in ``gt_sem_seg`` (N, H, W); also the sequence of its samples, which mmseg's own heads read."""

    def __len__(self) -> int:
        return len(self.gt_sem_seg.data)

    def __getitem__(self, index: int) -> SegDataSample:
        row = range(len(self))[index]
        # metainfo that differs by sample is a list
        meta = {key: value[row] if isinstance(value, list) else value for key, value in self.metainfo_items()}
        return SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=self.gt_sem_seg.data[row : row + 1]))


@FUNCTIONS.register_module()
def seg_batch_collate(data: dict | list) -> dict:
    """Join a list of samples to ``inputs`` (N, C, H, W) and a :class:`SegBatch`: two tensors pass from a worker process, not two each.

    Samples of different sizes, or with more than a mask, are collated as mmengine does; a batch of :class:`DecodeOnce` is one already.
    """
    if isinstance(data, dict):
        return data
    images, samples = [one['inputs'] for one in data], [one['data_samples'] for one in data]
    only_masks = all(sample.keys() == ['gt_sem_seg'] for sample in samples)
    if not only_masks or len({(i.shape, s.gt_sem_seg.shape) for i, s in zip(images, samples, strict=True)}) > 1:
        return pseudo_collate(data)
    batch = SegBatch(gt_sem_seg=PixelData(data=torch.cat([sample.gt_sem_seg.data for sample in samples])))
    # for error messages about a batch; set_metainfo would copy the list
    batch.set_field([sample.get('img_path') for sample in samples], 'img_path', field_type='metainfo')
    return dict(inputs=torch.stack(images), data_samples=batch)


@DATASETS.register_module()
class IndexedMaskDataset(SeededSamples, DecodeOnce, BaseSegDataset):
    """A folder of images and a folder of one-channel masks that hold class indices.

    An image and a mask form a pair if their names have the same id. Pairs are split by ``{split}`` in a folder of ``data_prefix``,
    as in ``'{split}/images'``; by an ``ann_file`` with one id per line; or by :func:`hashed_split`, the same on every machine, but
    changed by added pairs. For cross-validation ``fold`` holds out one of ``folds`` equal parts of all or of the listed pairs as
    ``split='test'``; ``'train'`` and ``'val'`` are cut from the others (:func:`fold_split`).

    Args:
        data_root (str): Folder that ``data_prefix`` starts from; a relative one in the current folder or in the repository.
        classes (Sequence[str]): Names of the classes, the background first.
        palette (Sequence[Sequence[int]], optional): RGB of each class. Defaults to :func:`class_palette`.
        split (str): ``'train'`` (default), ``'val'``, ``'test'`` or ``'all'``; with ``{split}`` the name of a folder.
        val_fraction (float): Share of the pairs for validation; with a ``fold``, share of the other folds. Defaults to 0.2.
        test_fraction (float): Share of the pairs for the test. Defaults to 0; of no effect with a ``fold``.
        fold (int, optional): The fold that is held out, 0 to ``folds - 1``. None (default): no cross-validation.
        folds (int): Number of folds. Defaults to 5.
        train_fraction (float): Share of the training part to train on: the same pairs for every seed, a smaller share within a
            larger one. Other parts, and data sets with ``test_mode=True``, stay whole. Defaults to 1.
        load_size (tuple[int], optional): (width, height) to which ``ResizeToLoadSize`` in the pipeline resizes image (area) and
            mask (nearest); scores are then at this size. None (default) keeps the original size.
        label_map (Mapping or Sequence, optional): Class index of each mask value; others are refused. None (default) if masks
            hold class indices. In a config write pairs, ``[(0, 0), (255, 1)]``: a dict would be merged with the base's.
        ignore_index (int | Sequence[int], optional): Mask value or values of pixels without a class; they become 255, which
            losses and scores leave out. None (default) refuses 255 too: with masks of 0/255, predicting nothing would score 100.
        data_prefix (dict): Folders. Defaults to ``dict(img_path='images', seg_map_path='masks')``.
        img_prefix, mask_prefix (str): Part of an image's and a mask's name before the id. Default to ``''``.
        img_suffix (str | Sequence[str], optional): Part of an image's name after the id, case-insensitive; any of several. None
            (default) takes every picture.
        seg_map_suffix (str | Sequence[str]): Part of a mask's name after the id. Defaults to ``'.png'``.
        remedy (str): Advice in the error message if files are missing.
        check (bool): Whether to read every file of the split once and refuse damaged ones. Defaults to True.
        **kwargs: ``ann_file``, ``pipeline``, ``test_mode``, ... of mmseg's ``BaseSegDataset``; ``cache`` of :class:`DecodeOnce`.
            With ``test_mode=True``, where images are scored one by one, ``cache='batches'`` means ``'ram'``.

    Raises:
        UsageError: If an argument is wrong, or files are missing or damaged.

    Example:
        >>> # photos/1.jpg with masks/1.png, of which 0 is ground and 255 rock; a fifth of the pairs is for validation
        >>> mine = dict(type='IndexedMaskDataset', data_root='data/mine', classes=('ground', 'rock'), img_suffix='.jpg')
        >>> mine |= dict(data_prefix=dict(img_path='photos', seg_map_path='masks'), label_map=[(0, 0), (255, 1)])
        >>> train_dataloader, val_dataloader = dict(dataset=mine), dict(dataset=dict(mine, split='val'))
    """

    title = 'The data set'
    value_sets = None  # ``sets`` of MaskValues
    arrays = ('img', 'gt_seg_map')
    packer = 'PackSegInputs'
    one_size = "set load_size, or set cache='ram'"

    def __init__(
        self,
        data_root: str,
        classes: Sequence[str],
        palette: Sequence[Sequence[int]] | None = None,
        split: str = 'train',
        val_fraction: float = 0.2,
        test_fraction: float = 0.0,
        fold: int | None = None,
        folds: int = FOLDS,
        train_fraction: float = 1.0,
        load_size: tuple[int, int] | None = None,
        label_map: Mapping[int | str, int] | Sequence[Sequence[int]] | None = None,
        ignore_index: int | Sequence[int] | None = None,
        data_prefix: dict | None = None,
        img_prefix: str = '',
        mask_prefix: str = '',
        img_suffix: str | Sequence[str] | None = None,
        seg_map_suffix: str | Sequence[str] = '.png',
        remedy: str = 'set data_root and data_prefix to where images and masks lie',
        check: bool = True,
        **kwargs,
    ) -> None:
        if not isinstance(data_prefix, dict | None):
            raise UsageError(f"data_prefix is dict(img_path='images', seg_map_path='masks'), got {data_prefix!r}: mend it.")
        folders = {'img_path': 'images', 'seg_map_path': 'masks', **(data_prefix or {})}
        self.own_folders = any('{split}' in folder for folder in folders.values())
        if not self.own_folders and split not in ('train', 'val', 'test', 'all'):
            raise UsageError(f"split of {type(self).__name__} is 'train', 'val', 'test' or 'all', got {split!r}.")
        if fold is not None:
            require_fold(fold, folds)
        if fold is not None and self.own_folders:
            raise UsageError(
                'fold cuts all pairs of one folder, but {split} in data_prefix gives each part a folder of its own: '
                'put the pairs into one folder, or leave fold out.'
            )
        # a value from a command line may be of any type
        if not isinstance(train_fraction, int | float) or not 0 < train_fraction <= 1:
            raise UsageError(
                f'train_fraction is the share of the training part to train on, greater than 0 and at most 1, got {train_fraction!r}.'
            )
        if train_fraction < 1 and not (split in ('train', 'val', 'test') or kwargs.get('test_mode')):
            raise UsageError(
                f"train_fraction takes its share from split='train', but split is {split!r}: leave it out, or rename the part."
            )
        sides = load_size if isinstance(load_size, list | tuple) else ()
        if load_size is not None and not (len(sides) == 2 and all(isinstance(side, int) and side > 0 for side in sides)):
            raise UsageError(f'load_size is (width, height) in pixels, such as (128, 128), got {load_size!r}.')
        if kwargs.get('test_mode') and kwargs.get('cache') == 'batches':
            kwargs['cache'] = 'ram'
        colours = class_palette(len(classes), palette)
        self.masks = MaskValues(classes, label_map, ignore_index, self.value_sets, colours)
        self.split, self.train_fraction = split, train_fraction
        self.fractions = dict(val_fraction=val_fraction, test_fraction=test_fraction)
        self.fold, self.folds = fold, folds
        self.load_size = None if load_size is None else tuple(load_size)
        self.prefixes, self.remedy, self.check = (img_prefix, mask_prefix), remedy, check
        super().__init__(
            data_root=str(find_data(data_root, self.title, remedy)),
            data_prefix={k: folder.replace('{split}', split) for k, folder in folders.items()},
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            metainfo=dict(classes=tuple(classes), palette=colours),
            # not needed: label_map and ignore_index can do the same
            reduce_zero_label=False,
            **kwargs,
        )

    def batch_sample(self, gt_seg_map: Tensor) -> SegBatch:
        """Make one sample of a batch's masks (N, H, W)."""
        return SegBatch(gt_sem_seg=PixelData(data=gt_seg_map))

    def load_data_list(self) -> list[dict]:
        """List the pairs of the split, sorted by id, with mmseg's keys and ``load_size``."""
        found = find_pairs(*self.file_names(), self.remedy)
        ids = listed_ids(Path(self.ann_file), found, self.data_root) if self.ann_file else found
        if not (part := self.cut(ids)):
            fractions = ' and '.join(f'{k}={v}' for k, v in self.fractions.items())
            raise UsageError(
                f'The {self.split} part of {self.data_root} is empty: {len(ids)} pairs with {fractions}; add pairs, '
                'change the fractions, or learn them by heart on purpose with --overfit of tools/train.py.'
            )
        pairs = [found[i] for i in self.train_share(part)]
        if self.check and (absent := self.masks.absent(self.check_masks(pairs))):
            warn(
                f'there is no pixel of {", ".join(absent)} in the {len(pairs)} masks of the {self.split} part: '
                'it is not learned there, and counts 0 in mDice once a pixel is taken for it: monitor the Dice of a class that is there'
            )
        # mmseg's own loader searches the whole mask for each value
        changed = {value: label for value, label in self.masks.labels.items() if value != label}
        common = dict(label_map=changed, reduce_zero_label=False, load_size=self.load_size)
        return [dict(img_path=str(image), seg_map_path=str(mask), seg_fields=[], **common) for image, mask in pairs]

    def file_names(self) -> tuple[tuple, tuple]:
        """Return folder, prefix and suffixes of the images and of the masks, as :func:`find_files` takes them."""
        folders = self.data_prefix['img_path'], self.data_prefix['seg_map_path']
        return tuple(zip(folders, self.prefixes, (self.img_suffix, self.seg_map_suffix), strict=True))

    def train_share(self, ids: Collection[str]) -> list[str]:
        """Apply ``train_fraction`` to the ids of this part, and sort them; a UsageError if none remains."""
        if self.split != 'train' or self.test_mode:
            return sorted(ids)
        chosen = sorted(hashed_order(ids)[: round(self.train_fraction * len(ids))])
        if ids and not chosen:
            raise UsageError(
                f'train_fraction={self.train_fraction} of the {len(ids)} training pairs of {self.data_root} is none: raise it, or add pairs.'
            )
        return chosen

    def check_masks(self, pairs: list[tuple[Path, Path]]) -> set[int]:
        """Read every pair once and return the values that occur in the masks."""
        values = sorted(self.masks.labels)
        text = f'0 to {values[-1]}' if values == list(range(len(values))) else ', '.join(map(str, values))
        remedy = 'give each value its class in label_map, such as label_map={0: 0, 255: 1} for masks of 0/255'
        if IGNORED not in self.masks.labels.values():
            remedy += ', or set ignore_index=255 if 255 marks pixels without a class'
        colour_remedy = 'save them with one channel that holds the class index of each pixel'
        return check_pairs(pairs, self.masks, text, remedy, colour_remedy)

    def cut(self, ids: Collection[str]) -> list[str]:
        """Choose the ids of this part, sorted, from those that have a pair and are listed: by fold, by hash, or all."""
        if self.fold is not None:
            return fold_split(ids, self.split, self.fold, self.folds, self.fractions['val_fraction'])
        return sorted(ids) if self.ann_file or self.own_folders else hashed_split(ids, self.split, **self.fractions)


@DATASETS.register_module()
class MoonDataset(IndexedMaskDataset):
    """Images of the Moon with masks of its rocks.

    Made for the Artificial Lunar Landscape data set (R. Pessia and G. Ishigami, Keio University; stated licence CC BY-NC-SA
    4.0) in the binary layout of the reference reports, and for this project's synthetic scenes:
    ``images/render/render0001.png``, RGB, and ``images/ground/ground0001.png``, one channel, 0 background, 255 (or 1) rock,
    which is loaded as 1. A UsageError if no mask holds a rock.

    Args:
        data_root, split, **kwargs: Of :class:`IndexedMaskDataset`; ``img_prefix`` and ``mask_prefix`` default to ``'render'`` and
            ``'ground'``.
        data_prefix (dict): Folders. Defaults to ``dict(img_path='images/render', seg_map_path='images/ground')``.
    """

    METAINFO = dict(classes=('background', 'rock'), palette=[[40, 40, 40], [230, 159, 0]])
    title = 'The Moon data set'
    value_sets = ({0, 255}, {0, 1})  # no mask mixes the two ways to write rock

    def __init__(self, data_root: str, split: str = 'train', data_prefix: dict | None = None, **kwargs) -> None:
        kwargs = dict(img_prefix='render', mask_prefix='ground') | kwargs
        super().__init__(
            data_root,
            **self.METAINFO,
            split=split,
            label_map={0: 0, 1: 1, 255: 1},
            data_prefix=data_prefix or dict(img_path='images/render', seg_map_path='images/ground'),
            remedy='run `python tools/prepare_data.py lunar SRC` or `... synthetic`, or set data_root, in most configs by '
            'MOON_DATA, to the folder that holds images/',
            **kwargs,
        )

    def check_masks(self, pairs: list[tuple[Path, Path]]) -> set[int]:
        """Read every pair once and return the values that occur in the masks; a UsageError if there is no rock."""
        values = check_pairs(
            pairs,
            self.masks,
            '0/255 or 0/1',
            'a mask holds 0 for background and 255 for rock: threshold it, and save it as PNG',
            'convert colour masks with `python tools/prepare_data.py lunar SRC`',
        )
        if values == {0}:
            raise UsageError(
                f'none of the {len(pairs)} masks holds a single rock pixel, so that a rock score is undefined '
                f'(the first is {pairs[0][1]}): check the masks, or choose another split.'
            )
        return values

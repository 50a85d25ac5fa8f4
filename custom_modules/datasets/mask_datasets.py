"""Data sets of image and mask: of any classes, and of the Moon's rocks."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mmengine.structures import PixelData
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch import Tensor

# so that its files are always loaded by the reader that has checked them
from custom_modules.datasets import transforms  # noqa: F401
from custom_modules.datasets.cache import DecodeOnce
from custom_modules.datasets.masks import IGNORED, MaskValues, class_palette
from custom_modules.datasets.pairs import check_pairs, find_pairs, warn
from custom_modules.datasets.samples import SeededSamples
from custom_modules.datasets.splits import FOLDS, fold_split, hashed_share, hashed_split, listed_ids, require_fold
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import find_data


@DATASETS.register_module()
class IndexedMaskDataset(SeededSamples, DecodeOnce, BaseSegDataset):
    """Any folders of images and of one-channel masks that hold class indices.

    An image and a mask whose names have the same id belong together. They are split by ``{split}`` in a folder of
    ``data_prefix``, as in ``'{split}/images'``; by ``ann_file`` with one id per line; or by :func:`hashed_split`, the same on
    every machine, but cut anew when pairs are added. For cross-validation ``fold`` holds out one of ``folds`` equal parts of all
    pairs, or of the listed ones, as ``split='test'``; ``'train'`` and ``'val'`` are cut from the others (:func:`fold_split`).

    Args:
        data_root (str): Folder that ``data_prefix`` starts from; a relative one in the current folder or in the repository.
        classes (Sequence[str]): Names of the classes, the background first.
        palette (Sequence[Sequence[int]], optional): RGB of each class; of :func:`class_palette` by default.
        split (str): ``'train'`` (default), ``'val'``, ``'test'`` or ``'all'``; with ``{split}`` the name of a folder.
        val_fraction (float): Share of the pairs for validation, or with a ``fold`` of the other folds. Defaults to 0.2.
        test_fraction (float): Share of the pairs for the test. Defaults to 0; of no effect with a ``fold``.
        fold (int, optional): Which part of a cross-validation is held out, 0 to ``folds - 1``. None (default): the fractions cut.
        folds (int): Into how many parts a cross-validation cuts the pairs. Defaults to 5.
        train_fraction (float): Share of the training part to train on, however it is split: the same pairs for every seed, a
            smaller share within a larger one. Other parts, and what is read for scores (``test_mode=True``), stay whole.
            Defaults to 1.
        load_size (tuple[int], optional): (width, height) that ``ResizeToLoadSize`` in the pipeline brings image (area) and mask
            (nearest) to; scores are then at this size. None (default) keeps the original size.
        label_map (Mapping or Sequence, optional): Class index of each mask value; others are refused. None (default) if masks
            hold class indices. In a config write pairs, ``[(0, 0), (255, 1)]``: a dict would be merged with the base's.
        ignore_index (int | Sequence[int], optional): Mask value of pixels without a class, or several; it becomes 255, which
            losses and scores leave out. None (default) refuses 255 too: with masks of 0/255, predicting nothing would score 100.
        data_prefix (dict): Folders. Defaults to ``dict(img_path='images', seg_map_path='masks')``.
        img_prefix, mask_prefix (str): What an image's and a mask's name have before the id. Default to ``''``.
        img_suffix (str | Sequence[str], optional): What an image's name has after the id, in small or capital letters; of
            several any. None (default) takes every picture.
        seg_map_suffix (str | Sequence[str]): What a mask's name has after the id. Defaults to ``'.png'``.
        remedy (str): What helps when files are missing, for the error's sentence.
        check (bool): Whether to read every file of the split once and refuse damaged ones. Defaults to True.
        **kwargs: ``ann_file``, ``pipeline``, ``test_mode``, ... of mmseg's ``BaseSegDataset``; ``cache``
            of :class:`DecodeOnce`, where ``'batches'`` is as ``'ram'`` for images that are scored one by one.

    Raises:
        UsageError: In one sentence: what was expected, what was found and what to do.
    """

    title = 'The data set'
    # that all values of one mask must be in, if they are not all that have a label
    value_sets = None
    arrays = ('img', 'gt_seg_map')
    packer = 'PackSegInputs'
    one_size = 'set load_size'

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
        # what a command line gives is not typed
        if not isinstance(train_fraction, int | float) or not 0 < train_fraction <= 1:
            raise UsageError(
                f'train_fraction is the share of the training part to train on, greater than 0 and at most 1, got {train_fraction!r}.'
            )
        if train_fraction < 1 and not (split in ('train', 'val', 'test') or kwargs.get('test_mode')):
            raise UsageError(
                f"train_fraction takes its share from split='train', but split is {split!r}: leave it out, or rename the part."
            )
        whole = isinstance(load_size, list | tuple) and all(isinstance(side, int) and side > 0 for side in load_size)
        if load_size is not None and not (whole and len(load_size) == 2):
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
            # label_map and ignore_index do its work
            reduce_zero_label=False,
            **kwargs,
        )

    def batch_sample(self, gt_seg_map: Tensor) -> SegDataSample:
        """Make the one sample of a batch of masks (N, H, W)."""
        return SegDataSample(gt_sem_seg=PixelData(data=gt_seg_map))

    def load_data_list(self) -> list[dict]:
        """List mmseg's keys for each pair of the split, with ``load_size``, sorted by id."""
        found = find_pairs(*self.file_names(), self.remedy)
        pairs = [found[i] for i in self.train_share(self._ids_of_split(found))]
        if self.check and (absent := self.masks.absent(self.check_masks(pairs))):
            warn(
                f'there is no pixel of {", ".join(absent)} in the {len(pairs)} masks of the {self.split} part: '
                'it can neither be learned nor scored there'
            )
        # mmseg looks a value up in the whole mask: only those that change
        changed = {value: label for value, label in self.masks.labels.items() if value != label}
        common = dict(label_map=changed, reduce_zero_label=False, load_size=self.load_size)
        return [dict(img_path=str(image), seg_map_path=str(mask), seg_fields=[], **common) for image, mask in pairs]

    def file_names(self) -> tuple[tuple, tuple]:
        """Give folder, prefix and suffixes of the images and of the masks, as :func:`find_files` takes them."""
        folders = self.data_prefix['img_path'], self.data_prefix['seg_map_path']
        return tuple(zip(folders, self.prefixes, (self.img_suffix, self.seg_map_suffix), strict=True))

    def train_share(self, ids: Collection[str]) -> list[str]:
        """Choose, of the ids of this part, those that are trained on, sorted; a UsageError if that is none."""
        if self.split != 'train' or self.test_mode:
            return sorted(ids)
        chosen = hashed_share(ids, self.train_fraction)
        if ids and not chosen:
            raise UsageError(
                f'train_fraction={self.train_fraction} of the {len(ids)} training pairs of {self.data_root} is none: raise it, or add pairs.'
            )
        return chosen

    def check_masks(self, pairs: list[tuple[Path, Path]]) -> set[int]:
        """Read every pair once and return the values that occur in the masks."""
        values = sorted(self.masks.labels)
        listed = ', '.join(map(str, values))
        text = f'0 to {values[-1]}' if values == list(range(len(values))) else listed
        remedy = 'give each value its class in label_map, such as label_map={0: 0, 255: 1} for masks of 0/255'
        if IGNORED not in self.masks.labels.values():
            remedy += ', or set ignore_index=255 if 255 marks pixels without a class'
        colour_remedy = 'save them with one channel that holds the class index of each pixel'
        return check_pairs(pairs, self.masks, text, remedy, colour_remedy)

    def cut(self, ids: Collection[str]) -> list[str]:
        """Choose, of the ids that have a pair and are listed, those of this part, sorted: by fold, by hash, or all."""
        if self.fold is not None:
            return fold_split(ids, self.split, self.fold, self.folds, self.fractions['val_fraction'])
        if self.ann_file or self.own_folders:
            return sorted(ids)
        return hashed_split(ids, self.split, **self.fractions)

    def _ids_of_split(self, ids: Collection[str]) -> list[str]:
        if self.ann_file:
            ids = listed_ids(Path(self.ann_file), ids, self.data_root)
        part = self.cut(ids)
        if not part:
            fractions = ' and '.join(f'{k}={v}' for k, v in self.fractions.items())
            raise UsageError(
                f'The {self.split} part of {self.data_root} is empty: {len(ids)} pairs with {fractions}; add pairs, '
                'change the fractions, or learn them by heart on purpose with --overfit of tools/train.py.'
            )
        return part


@DATASETS.register_module()
class MoonDataset(IndexedMaskDataset):
    """Images of the Moon with masks of its rocks.

    Made for the Artificial Lunar Landscape data set (R. Pessia and G. Ishigami, Keio University; stated licence CC BY-NC-SA
    4.0) in the binary layout of the reference reports, and for this project's synthetic scenes:
    ``images/render/render0001.png``, RGB, and ``images/ground/ground0001.png``, one channel, 0 background, 255 (or 1) rock,
    which is loaded as 1.

    Args:
        data_root (str): Folder that ``data_prefix`` starts from.
        data_prefix (dict): Folders. Defaults to ``dict(img_path='images/render', seg_map_path='images/ground')``.
        img_prefix, mask_prefix (str): What a name has before the id. Default to ``'render'`` and ``'ground'``.
        **kwargs: ``split``, ``fold``, ``train_fraction``, ``load_size``, ``pipeline``, ... of :class:`IndexedMaskDataset`.

    Raises:
        UsageError: As :class:`IndexedMaskDataset`, and if no mask holds a rock.
    """

    METAINFO = dict(classes=('background', 'rock'), palette=[[40, 40, 40], [230, 159, 0]])
    title = 'The Moon data set'
    value_sets = ({0, 255}, {0, 1})  # no mask mixes the two ways to write rock

    def __init__(self, data_root: str, split: str = 'train', data_prefix: dict | None = None, **kwargs) -> None:
        super().__init__(
            data_root,
            **self.METAINFO,
            split=split,
            label_map={0: 0, 1: 1, 255: 1},
            data_prefix=data_prefix or dict(img_path='images/render', seg_map_path='images/ground'),
            remedy='run `python tools/prepare_data.py lunar SRC` or `... synthetic`, or set MOON_DATA to the '
            'folder that holds images/',
            **dict(img_prefix='render', mask_prefix='ground') | kwargs,
        )

    def check_masks(self, pairs: list[tuple[Path, Path]]) -> set[int]:
        """Read every pair once and return the values that occur in the masks; a UsageError too if there is no rock at all."""
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

from collections.abc import Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from custom_modules.usage_error import UsageError

from .check_pairs import check_pairs
from .find_data import find_data
from .find_files import find_files, first_five, warn
from .hashed_split import hashed_split

REMEDY = (
    'run `python tools/prepare_data.py lunar SRC` or `... synthetic`, or set MOON_DATA to the folder '
    'that holds images/'
)


@DATASETS.register_module()
class MoonDataset(BaseSegDataset):
    """Images of the Moon with masks of its rocks.

    Made for the Artificial Lunar Landscape data set (R. Pessia and G. Ishigami, Keio University; stated licence
    CC BY-NC-SA 4.0) in the binary layout of the reference reports, and for this project's synthetic scenes. ::

        MOON_SEGMENTATION_BINARY/images/
        ├── render/render0001.png      RGB image
        └── ground/ground0001.png      mask of one channel: 0 background, 255 (or 1) rock

    Masks of 0/255 become 0/1 when they are loaded (mmseg would take 255 for "ignore"). Everything that a
    user can get wrong is found while the data set is built.

    The split is a function of the ids alone: they are sorted by the SHA-256 of the id (``0001`` above), the
    first ``test_fraction`` are the test part, the next ``val_fraction`` the validation part. It is the same on every machine;
    to keep a split while pairs are added, list its ids in ``ann_file``.

    Args:
        data_root (str): Folder that ``data_prefix`` starts from. A relative one is looked up in the
            current folder and then in the repository.
        split (str): ``'train'``, ``'val'``, ``'test'`` or ``'all'``. Defaults to ``'train'``.
        val_fraction (float): Share of the pairs for validation. Defaults to 0.2.
        test_fraction (float): Share of the pairs for the test. Defaults to 0.
        load_size (tuple[int], optional): (width, height) that image (area) and mask (nearest) are resized
            to when ``ResizeToLoadSize`` finds it in the pipeline; scores are then at this size. None
            (default) keeps the original size.
        data_prefix (dict): Folders of images and masks.
            Defaults to ``dict(img_path='images/render', seg_map_path='images/ground')``.
        img_prefix (str): What an image's name has before the id. Defaults to ``'render'``.
        mask_prefix (str): What a mask's name has before the id. Defaults to ``'ground'``.
        img_suffix (str): What an image's name has after the id. Defaults to ``'.png'``.
        seg_map_suffix (str): What a mask's name has after the id. Defaults to ``'.png'``.
        ann_file (str): File with one id per line to use instead of the hashed split, relative to
            ``data_root``. Defaults to ``''``.
        check (bool): Whether to read every file of the split once and refuse damaged ones. Defaults to True.
        **kwargs: ``pipeline``, ``test_mode``, ... of mmseg's ``BaseSegDataset``.

    Raises:
        UsageError: In one sentence: what was looked for, where, what was found and which command helps.
    """

    METAINFO = dict(classes=('background', 'rock'), palette=[[40, 40, 40], [230, 159, 0]])

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        val_fraction: float = 0.2,
        test_fraction: float = 0.0,
        load_size: tuple[int, int] | None = None,
        data_prefix: dict | None = None,
        img_prefix: str = 'render',
        mask_prefix: str = 'ground',
        img_suffix: str = '.png',
        seg_map_suffix: str = '.png',
        check: bool = True,
        **kwargs,
    ) -> None:
        if split not in ('train', 'val', 'test', 'all'):
            raise UsageError(
                f"split of MoonDataset is 'train', 'val', 'test' or 'all', got {split!r}."
            )
        if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
            raise UsageError(
                'val_fraction and test_fraction are shares that leave some for training, '
                f'got {val_fraction} and {test_fraction}.'
            )
        self.split = split
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.load_size = None if load_size is None else tuple(load_size)
        self.img_prefix = img_prefix
        self.mask_prefix = mask_prefix
        self.check = check
        root = find_data(data_root, 'The Moon data set', REMEDY)
        super().__init__(
            data_root=str(root),
            data_prefix=data_prefix or dict(img_path='images/render', seg_map_path='images/ground'),
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """List the pairs of the split, sorted by id.

        Returns:
            list[dict]: mmseg's keys for each pair, with ``load_size``.
        """
        images = find_files(
            self.data_prefix['img_path'], self.img_prefix, self.img_suffix, 'images', REMEDY
        )
        masks = find_files(
            self.data_prefix['seg_map_path'], self.mask_prefix, self.seg_map_suffix, 'masks', REMEDY
        )
        unpaired = sorted(set(images) - set(masks))
        if unpaired:
            raise UsageError(
                f'{len(unpaired)} of {len(images)} images in {self.data_prefix["img_path"]} have no '
                f'{self.mask_prefix}*{self.seg_map_suffix} in {self.data_prefix["seg_map_path"]}: '
                f'{first_five(images[i].name for i in unpaired)}; add the masks or remove the images.'
            )
        orphans = sorted(set(masks) - set(images))
        if orphans:
            warn(
                f'{len(orphans)} masks without image are not used: {first_five(masks[i].name for i in orphans)}'
            )
        ids = self._ids_of_split(sorted(images))
        if self.check:
            check_pairs([(images[i], masks[i]) for i in ids])
        return [
            dict(
                img_path=str(images[i]),
                seg_map_path=str(masks[i]),
                label_map={255: 1},
                reduce_zero_label=False,
                seg_fields=[],
                load_size=self.load_size,
            )
            for i in ids
        ]

    def _ids_of_split(self, ids: Sequence[str]) -> list[str]:
        if self.ann_file:
            return self._ids_of_file(ids)
        part = hashed_split(ids, self.split, self.val_fraction, self.test_fraction)
        if not part:
            raise UsageError(
                f'The {self.split} part of {self.data_root} is empty: {len(ids)} pairs with '
                f'val_fraction={self.val_fraction} and test_fraction={self.test_fraction}; '
                'add pairs or change the fractions.'
            )
        return part

    def _ids_of_file(self, ids: Sequence[str]) -> list[str]:
        path = Path(self.ann_file)
        if not path.is_file():
            raise UsageError(
                f'ann_file {path} does not exist; it lists one id per line, such as {ids[0]}.'
            )
        wanted = list(dict.fromkeys(path.read_text(encoding='utf-8').split()))
        unknown = sorted(set(wanted) - set(ids))
        if unknown or not wanted:
            raise UsageError(
                f'{path} lists {len(wanted)} ids, {len(unknown)} of which have no pair in '
                f'{self.data_root}: {first_five(unknown) or "it is empty"}; write one id per line, such as {ids[0]}.'
            )
        return sorted(wanted)

from pathlib import Path

from mmseg.registry import DATASETS

from custom_modules.datasets.pair_checks import MaskValues, check_pairs
from custom_modules.utils.errors import UsageError

from .indexed_mask_dataset import IndexedMaskDataset


@DATASETS.register_module()
class MoonDataset(IndexedMaskDataset):
    """Images of the Moon with masks of its rocks.

    Made for the Artificial Lunar Landscape data set (R. Pessia and G. Ishigami, Keio University; stated licence
    CC BY-NC-SA 4.0) in the binary layout of the reference reports, and for this project's synthetic scenes. ::

        MOON_SEGMENTATION_BINARY/images/
        ├── render/render0001.png      RGB image
        └── ground/ground0001.png      mask of one channel: 0 background, 255 (or 1) rock

    Masks of 0/255 become 0/1 when they are loaded (mmseg would take 255 for "ignore"). Everything that a
    user can get wrong is found while the data set is built.

    Args:
        data_root (str): Folder that ``data_prefix`` starts from.
        split (str): ``'train'``, ``'val'``, ``'test'`` or ``'all'``. Defaults to ``'train'``.
        data_prefix (dict): Folders of images and masks.
            Defaults to ``dict(img_path='images/render', seg_map_path='images/ground')``.
        img_prefix (str): What an image's name has before the id. Defaults to ``'render'``.
        mask_prefix (str): What a mask's name has before the id. Defaults to ``'ground'``.
        **kwargs: ``val_fraction``, ``test_fraction``, ``fold``, ``folds``, ``train_fraction``, ``ann_file``, ``load_size``, suffixes, ``check``,
            ``pipeline``, ``cache``, ... of :class:`IndexedMaskDataset`.

    Raises:
        UsageError: In one sentence: what was looked for, where, what was found and which command helps.
    """

    METAINFO = dict(classes=('background', 'rock'), palette=[[40, 40, 40], [230, 159, 0]])
    title = 'The Moon data set'

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        data_prefix: dict | None = None,
        img_prefix: str = 'render',
        mask_prefix: str = 'ground',
        **kwargs,
    ) -> None:
        super().__init__(
            data_root,
            **self.METAINFO,
            split=split,
            label_map={0: 0, 1: 1, 255: 1},
            data_prefix=data_prefix or dict(img_path='images/render', seg_map_path='images/ground'),
            img_prefix=img_prefix,
            mask_prefix=mask_prefix,
            remedy='run `python tools/prepare_data.py lunar SRC` or `... synthetic`, or set MOON_DATA to the '
            'folder that holds images/',
            **kwargs,
        )

    def check_masks(self, pairs: list[tuple[Path, Path]]) -> set[int]:
        """Read every pair once.

        Args:
            pairs (list[tuple[Path, Path]]): Image and mask.

        Returns:
            set[int]: The values that occur in the masks.

        Raises:
            UsageError: If a file cannot be used, or no mask holds any rock.
        """
        values = check_pairs(
            pairs,
            MaskValues(self.masks.labels, ({0, 255}, {0, 1}), self.metainfo['palette']),
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

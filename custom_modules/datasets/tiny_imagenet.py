"""Tiny ImageNet-200 as a data set of mmpretrain."""

from collections.abc import Sequence
from pathlib import Path

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS, TRANSFORMS

from custom_modules.datasets.batches import WholeBatches
from custom_modules.datasets.cache import DecodeOnce
from custom_modules.datasets.loading import LoadImageFromFile
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import find_data

# of this scope: a classification run never imports mmseg, nor the other way round
TRANSFORMS.register_module(module=LoadImageFromFile, force=True)
PREPARE = 'run `python tools/prepare_data.py tiny-imagenet ARCHIVE`'


@DATASETS.register_module()
class TinyImageNet(WholeBatches, DecodeOnce, BaseDataset):
    """Tiny ImageNet-200, read from its archive's own layout.

    200 classes with 500 training and 50 validation images of 64x64 each (the test images have no
    labels). A subset of ImageNet, for non-commercial research and education. Source: the Stanford CS231n
    course, http://cs231n.stanford.edu/tiny-imagenet-200.zip. ::

        tiny-imagenet-200/
        ├── wnids.txt                        one WordNet id per line
        ├── words.txt                        WordNet id, tab, names
        ├── train/<wnid>/images/*.JPEG
        └── val/{images/*.JPEG, val_annotations.txt}

    Labels are the positions in ``wnids``, so a subset has labels 0..n-1 in the order in which it is given.

    Args:
        data_root (str): The folder above. A relative one is looked up in the current folder and
            then in the repository.
        split (str): ``'train'`` or ``'val'``. Defaults to ``'train'``.
        wnids (Sequence[str], optional): The classes to use. All of ``wnids.txt``, sorted, by default.
        **kwargs: ``pipeline``, ``test_mode``, ... of :class:`mmpretrain.datasets.BaseDataset`; ``cache`` of
            :class:`DecodeOnce` or ``'batches'`` (:class:`WholeBatches`). All 100,000 training images take 1.2 GB.

    Raises:
        UsageError: If a folder, list, image or class is missing; the sentence says which.
    """

    def __init__(
        self, data_root: str, split: str = 'train', wnids: Sequence[str] | None = None, **kwargs
    ) -> None:
        if split not in ('train', 'val'):
            raise UsageError(f"split of TinyImageNet is 'train' or 'val', got {split!r}.")
        root = find_data(data_root, 'Tiny ImageNet', f'{PREPARE} or set TINY_IMAGENET')
        known = _read_lines(root / 'wnids.txt')
        unknown = [wnid for wnid in wnids or [] if wnid not in known]
        if unknown:
            raise UsageError(
                f'{len(unknown)} of the chosen wnids are not among the {len(known)} of '
                f'{root / "wnids.txt"}: {", ".join(unknown[:5])}; choose from that file.'
            )
        self.split = split
        self.wnids = tuple(wnids or sorted(known))
        words = dict(line.split('\t', 1) for line in _read_lines(root / 'words.txt'))
        names = tuple(words.get(wnid, wnid).split(',')[0] for wnid in self.wnids)
        super().__init__(ann_file='', data_root=str(root), metainfo=dict(classes=names), **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images of the split.

        Returns:
            list[dict]: ``img_path`` and ``gt_label`` of each image, in a fixed order.
        """
        files = self._train_files() if self.split == 'train' else self._val_files()
        label = {wnid: i for i, wnid in enumerate(self.wnids)}
        return [dict(img_path=str(path), gt_label=label[wnid]) for path, wnid in files]

    def _train_files(self) -> list[tuple[Path, str]]:
        files = []
        for wnid in self.wnids:
            folder = Path(self.data_root) / 'train' / wnid / 'images'
            images = sorted(folder.glob('*.JPEG'))
            if not images:
                raise UsageError(
                    f'Class {wnid} has no *.JPEG in {folder}: unpack the archive again ({PREPARE}) '
                    'or leave the class out of wnids.'
                )
            files += [(image, wnid) for image in images]
        return files

    def _val_files(self) -> list[tuple[Path, str]]:
        folder = Path(self.data_root) / 'val'
        lines = _read_lines(folder / 'val_annotations.txt')
        rows = [line.split('\t') for line in lines]
        files = [(folder / 'images' / row[0], row[1]) for row in rows if row[1] in self.wnids]
        present = set((folder / 'images').glob('*.JPEG'))
        missing = [path.name for path, _ in files if path not in present]
        if missing:
            raise UsageError(
                f'{len(missing)} images of {folder / "val_annotations.txt"} are not in '
                f'{folder / "images"}: {", ".join(missing[:5])}; unpack the archive again ({PREPARE}).'
            )
        without = sorted(set(self.wnids) - {wnid for _, wnid in files})
        if without:
            raise UsageError(
                f'{len(without)} classes have no image in {folder / "val_annotations.txt"}: '
                f'{", ".join(without[:5])}; unpack the archive again ({PREPARE}) or leave them out of wnids.'
            )
        return files


def _read_lines(path: Path) -> list[str]:
    if not path.is_file():
        raise UsageError(
            f'{path} does not exist, but it is part of the archive: unpack it again ({PREPARE}).'
        )
    return [line.rstrip() for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]

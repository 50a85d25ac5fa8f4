"""Tiny ImageNet-200 as a data set of mmpretrain."""

import os
from collections.abc import Sequence
from pathlib import Path

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS, TRANSFORMS
from mmpretrain.structures import DataSample
from torch import Tensor

from custom_modules.datasets.cache import DecodeOnce
from custom_modules.datasets.samples import LoadImageFromFile, SeededSamples
from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.files import find_data, read_lines
from custom_modules.utils.images import SUFFIXES, ImageError, read_image
from custom_modules.utils.tables import in_threads

# in mmpretrain's scope, where it takes precedence over mmcv's
TRANSFORMS.register_module(module=LoadImageFromFile, force=True)
PREPARE = 'run `python tools/prepare_data.py tiny-imagenet ARCHIVE`'
UNPACK = f'unpack the archive again ({PREPARE})'


@DATASETS.register_module()
class TinyImageNet(SeededSamples, DecodeOnce, BaseDataset):
    """Tiny ImageNet-200, read from its archive's own layout.

    200 classes with 500 training and 50 validation images of 64x64 each (the test images have no labels). A subset of ImageNet,
    for non-commercial research and education, from the course CS231n, http://cs231n.stanford.edu/tiny-imagenet-200.zip. ::

        tiny-imagenet-200/
        ├── wnids.txt                        one WordNet id per line
        ├── words.txt                        optional: WordNet id, tab, names
        ├── train/<wnid>/images/*.JPEG
        └── val/{images/*.JPEG, val_annotations.txt}, or sorted: val/<wnid>/*.JPEG

    Args:
        data_root (str): The folder above; a relative one is looked up in the current folder and then in the repository.
        split (str): ``'train'`` or ``'val'``. Defaults to ``'train'``.
        wnids (Sequence[str], optional): The classes to use, labelled 0..n-1 in this order. All of ``wnids.txt``, sorted, by default.
        check (bool): Whether to check the beginning and end of every file, and refuse empty and broken ones. Defaults to True.
        **kwargs: ``pipeline``, ``test_mode``, ... of :class:`mmpretrain.datasets.BaseDataset`; ``cache`` of
            :class:`DecodeOnce`. All 100,000 training images take 1.2 GB.

    Raises:
        UsageError: If a folder, list, image or class is missing; the sentence says which.
    """

    numbers = ('gt_label',)

    def __init__(
        self, data_root: str, split: str = 'train', wnids: Sequence[str] | None = None, check: bool = True, **kwargs
    ) -> None:
        if split not in ('train', 'val'):
            raise UsageError(f"split of TinyImageNet is 'train' or 'val', got {split!r}.")
        root = find_data(data_root, 'Tiny ImageNet', f'{PREPARE} or set TINY_IMAGENET')
        # some programs unpack an archive into a folder of the same name inside another
        inner = [path.parent for path in root.glob('*/wnids.txt')]
        root = inner[0] if len(inner) == 1 and not (root / 'wnids.txt').is_file() else root
        known = _lines_of_archive(root / 'wnids.txt')
        if unknown := [wnid for wnid in wnids or [] if wnid not in known]:
            raise UsageError(
                f'{len(unknown)} of the chosen wnids are not among the {len(known)} of '
                f'{root / "wnids.txt"}: {", ".join(unknown[:5])}; choose from that file.'
            )
        self.split, self.check = split, check
        self.wnids = tuple(wnids or sorted(known))
        names = {}
        if (root / 'words.txt').is_file():
            # split at any blank: some editors replace the archive's tab
            rows = [line.split(None, 1) for line in read_lines(root / 'words.txt')]
            names = {row[0]: row[1].split(',')[0].strip() for row in rows if len(row) == 2}
        classes = tuple(names.get(wnid, wnid) for wnid in self.wnids)
        super().__init__(ann_file='', data_root=str(root), metainfo=dict(classes=classes), **kwargs)

    def batch_sample(self, gt_label: Tensor) -> DataSample:
        """Make one sample of a batch's labels (N,)."""
        return DataSample().set_gt_label(gt_label)

    def load_data_list(self) -> list[dict]:
        """List ``img_path`` and ``gt_label`` of each image of the split, in a fixed order."""
        files = self._train_files() if self.split == 'train' else self._val_files()
        if self.check:
            _check_files([path for path, _ in files])
        label = {wnid: i for i, wnid in enumerate(self.wnids)}
        return [dict(img_path=str(path), gt_label=label[wnid]) for path, wnid in files]

    def _train_files(self) -> list[tuple[Path, str]]:
        folder, files = Path(self.data_root) / 'train', []
        for wnid in self.wnids:
            if not (images := _images_of_class(folder / wnid)):
                raise UsageError(f'Class {wnid} has no *.JPEG in {folder / wnid}: {UNPACK} or leave the class out of wnids.')
            files += [(image, wnid) for image in images]
        return files

    def _val_files(self) -> list[tuple[Path, str]]:
        folder = Path(self.data_root) / 'val'
        # people often sort the images into a folder per class, as mmpretrain's and torchvision's data sets expect
        source = folder
        files = [(image, wnid) for wnid in self.wnids for image in _images_of_class(folder / wnid)]
        if not files:
            source, images = folder / 'val_annotations.txt', folder / 'images'
            rows = [line.split() for line in _lines_of_archive(source)]
            files = [(images / row[0], row[1]) for row in rows if len(row) > 1 and row[1] in self.wnids]
            present = set(_pictures(images))
            if missing := [path.name for path, _ in files if path not in present]:
                raise UsageError(f'{len(missing)} images of {source} are not in {images}: {first_five(missing)}; {UNPACK}.')
        if without := sorted(set(self.wnids) - {wnid for _, wnid in files}):
            raise UsageError(
                f'{len(without)} classes have no image in {source}: {first_five(without)}; {UNPACK} or leave them out of wnids.'
            )
        return files


def _pictures(folder: Path) -> list[Path]:
    # without ._name.JPEG, which macOS adds to each file on a foreign file system
    return sorted(path for path in folder.glob('[!.]*') if path.suffix.lower() in SUFFIXES)


def _images_of_class(folder: Path) -> list[Path]:
    return _pictures(folder / 'images') or _pictures(folder)


def _check_files(paths: Sequence[Path]) -> None:
    """Refuse empty and truncated files: decode those that do not begin and end as a JPEG."""

    def complaint(path: Path) -> str:
        try:
            with open(path, 'rb', buffering=0) as file:
                head, size = file.read(3), file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 2))
                if head == b'\xff\xd8\xff' and file.read() == b'\xff\xd9':
                    return ''
            read_image(path)
        except (ImageError, OSError) as error:
            return f'{path} ({getattr(error, "reason", error)})'
        return ''

    if broken := list(filter(None, in_threads(complaint, paths))):
        raise UsageError(f'{len(broken)} of {len(paths)} images cannot be read: {first_five(broken)}; {UNPACK}.')


def _lines_of_archive(path: Path) -> list[str]:
    if not path.is_file():
        raise UsageError(f'{path} does not exist, but it is part of the archive: unpack it again ({PREPARE}).')
    return read_lines(path)

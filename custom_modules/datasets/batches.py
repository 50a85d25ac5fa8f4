"""Whole batches at once: a data set's images as one tensor, which lies where the model computes."""

import mmap
import multiprocessing
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import FUNCTIONS
from mmpretrain.structures import DataSample
from torch.utils.data import get_worker_info

from custom_modules.datasets.cache import static_transforms
from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_cores
from custom_modules.utils.progress import progress

# images that one task of a process decodes
SHARE = 500
_work_of_process = None


class WholeBatches:
    """Mixin for classification data sets: with ``cache='batches'`` a batch is one tensor of images and one of labels.

    The usual way makes a sample of each image, sends it from a worker process and moves it to the device by itself, which
    takes a GPU longer to wait for than a small network takes to compute. Here all images are decoded once, by all
    cores, into one ``uint8`` tensor. Without worker processes (``num_workers=0``) it moves to the run's device at the first batch,
    and a batch is a look-up there; worker processes share it in memory. A batch is a dict of ``inputs`` (N, 3, H, W) and of
    ``data_samples``, here a single ``DataSample`` whose ``gt_label`` holds all labels (N,); the loader needs
    ``collate_fn=dict(type='batch_collate')``, and the model ``BatchClassifier`` and ``BatchAugClsPreProcessor``.

    The images are what the pipeline gives, so the pipeline may hold nothing random: augmentation is the data
    preprocessor's. A single sample (``dataset[0]``) is what it always is.

    Args:
        cache (str, optional): ``'batches'``, or what the next class takes. Defaults to None.
        *args: Of the data set.
        **kwargs: Of the data set.

    Raises:
        UsageError: When it is filled, if a transform may be random or the images differ in size.
    """

    _whole = False
    _images: torch.Tensor | None = None
    _labels: torch.Tensor | None = None

    def __init__(self, *args, cache: str | None = None, **kwargs) -> None:
        whole = cache == 'batches'
        super().__init__(*args, cache=None if whole else cache, **kwargs)
        self._whole = whole

    def full_init(self) -> None:
        """List the samples, and decode them if the data set is already built (as mmengine's Runner asks before it loads)."""
        super().full_init()
        if self._whole and self._images is None and get_worker_info() is None:
            transforms = self.pipeline.transforms
            static = static_transforms(transforms)
            rest = [type(t).__name__ for t in transforms[len(static) :]]
            if rest != ['PackInputs']:
                raise UsageError(
                    f"cache='batches' of {type(self).__name__} keeps what the pipeline gives, which {rest[0] if rest else 'no PackInputs'} "
                    "may change each time: move it to model.data_preprocessor.augments, or set cache='ram'."
                )
            self._images = decode_images(self, static)
            labels = [self.get_data_info(i)['gt_label'] for i in range(len(self))]
            self._labels = torch.tensor(labels)

    def __getitems__(self, indices: Sequence[int]) -> dict | list:
        """Give a batch; torch's data loader asks for it in place of single samples.

        Args:
            indices (Sequence[int]): Places in the data set.

        Returns:
            dict | list: Images and labels; without ``cache='batches'`` a list of samples.
        """
        if self._images is None:
            return [self[index] for index in indices]
        if self._images.device.type == 'cpu' and get_worker_info() is None:
            self._move()
        rows = torch.tensor(indices).to(self._images.device, non_blocking=True)
        return dict(
            inputs=self._images[rows], data_samples=DataSample().set_gt_label(self._labels[rows])
        )

    def get_subset_(self, indices) -> None:
        """Keep some of the samples, as mmengine's ``BaseDataset``; call ``full_init()`` to decode them."""
        self._images = None
        super().get_subset_(indices)

    def _copy_without_annotation(self, memo=None):
        images, self._images = self._images, None
        try:
            return super()._copy_without_annotation(memo)
        finally:
            self._images = images

    def _move(self) -> None:
        device = get_device()
        if device == 'cpu':
            return
        try:
            self._images, self._labels = self._images.to(device), self._labels.to(device)
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f'{self._images.nbytes / 1e9:.1f} GB of images do not fit into the memory of {device}: set num_workers=2 in '
                'that data loader, which leaves them in memory.'
            ) from error


@FUNCTIONS.register_module()
def batch_collate(data: dict | list) -> dict:
    """Hand a batch of ``WholeBatches`` on, and collate a list of samples as mmengine does.

    Args:
        data (dict | list): What the data set gave.
    """
    return data if isinstance(data, dict) else pseudo_collate(data)


def decode_images(dataset, transforms: list) -> torch.Tensor:
    """Decode all images of a data set, by all cores.

    Args:
        dataset: A data set of mmengine's kind.
        transforms (list): Static transforms, of which the last one leaves the image as ``img``.

    Returns:
        Tensor: ``uint8`` (N, 3, H, W), channels as in the file reader (BGR), in memory that forked processes share.

    Raises:
        UsageError: If an image has another size than the first.
    """

    def decode(index: int) -> np.ndarray:
        results = dataset.get_data_info(index)
        for transform in transforms:
            results = transform(results)
        return results['img'].transpose(2, 0, 1)

    def decode_share(start: int) -> tuple[str, tuple] | None:
        for index in range(start, min(start + SHARE, count)):
            image = decode(index)
            if image.shape != shape:
                return dataset.get_data_info(index)['img_path'], image.shape
            images[index] = image
        return None

    count, shape = len(dataset), decode(0).shape
    # no file, no limit of /dev/shm
    images = np.frombuffer(mmap.mmap(-1, count * int(np.prod(shape))), np.uint8)
    images = images.reshape(count, *shape)
    starts = range(0, count, SHARE)
    cores = min(available_cores(), len(starts))
    label = f'Decoding {count} images'
    # threads would wait for each other: an image is small, and Python's share of the work is half
    if cores > 1 and 'fork' in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context('fork').Pool(cores, _begin, (decode_share,)) as pool:
            odd = list(progress(pool.imap_unordered(_work, starts), label, len(starts)))
    else:
        odd = [decode_share(start) for start in progress(starts, label)]
    for path, other in filter(None, odd):
        raise UsageError(
            f"cache='batches' keeps images of one size, and {path} is {other[2]}x{other[1]}, the first image {shape[2]}x{shape[1]}: "
            "add a Resize to the pipeline, or set cache='ram'."
        )
    MMLogger.get_current_instance().info(
        f'{count} images of {shape[2]}x{shape[1]} decoded by {max(1, cores)} processes, {images.nbytes / 1e9:.2f} GB'
    )
    return torch.from_numpy(images)


def _begin(work) -> None:
    # what forked processes inherit is not sent
    global _work_of_process
    _work_of_process = work
    cv2.setNumThreads(0)


def _work(start: int):
    return _work_of_process(start)

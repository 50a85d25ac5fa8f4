"""Files are read and decoded once in a run, to samples or to whole batches."""

import math
import mmap
import multiprocessing
import pickle
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement
from torch.utils.data import get_worker_info

from custom_modules.datasets.pairs import warn
from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_cores, available_memory
from custom_modules.utils.tables import in_threads, progress

# what always gives the same for the same files, by the package that has it; a subclass may draw numbers
STATIC = dict(
    mmcv=('LoadImageFromFile', 'Resize', 'CenterCrop'),
    mmseg=('LoadAnnotations',),
    mmpretrain=('ResizeEdge',),
    custom_modules=('LoadImageFromFile', 'LoadAnnotations', 'ResizeToLoadSize'),
)
MEMORY = 0.4  # of the free memory: samples are there twice while they are joined, and the model needs the rest
CHUNK = 64  # small images one by one would take longer to hand out than to decode
# images that one task of a process decodes
SHARE = 500
_decode_share = None


class DecodeOnce:
    """Mixin for data sets of mmengine's kind: files are read and decoded once, not once per epoch.

    ``full_init()`` of the built data set fills the cache, which mmengine's ``Runner.build_dataloader`` calls before any
    worker starts; files that change later are not seen. Worker processes share it.

    ``cache='ram'`` keeps the results of the pipeline's leading transforms that depend on the files alone, such as
    ``ResizeToLoadSize``. Without room the run goes on without, after a warning.

    With ``cache='batches'`` a batch is one tensor of images and one of labels or masks: a small network computes faster
    than samples are made, sent and moved one by one. All images are decoded by all cores into one ``uint8`` tensor, and
    their masks into another. Without worker processes (``num_workers=0``) they move to the run's device at the first batch.
    A batch is a dict of ``inputs`` (N, 3, H, W) and of ``data_samples``, one sample with all labels (N,) or masks (N, H, W)
    and the list of files as ``img_path``. The loader needs ``collate_fn=dict(type='batch_collate')``, and the model a
    preprocessor that augments batches. The pipeline may hold nothing random, and gives images of one size, else a UsageError.

    Args:
        cache (str, optional): ``'ram'`` or ``'batches'``, kept for the time of the run; None (default) decodes each time.
    """

    # keys of what the pipeline decodes, the image first, and of numbers that a sample's entry holds
    arrays: Sequence[str] = ('img',)
    numbers: Sequence[str] = ()
    # the pipeline's last transform, and what gives images one size
    packer = 'PackInputs'
    one_size = 'add a Resize to the pipeline'
    _built = False
    # of 'ram' all pickled samples in one array, as mmengine keeps its entries: objects would be copied by the workers that look at
    # them; of 'batches' a tensor by each key
    _kept = None

    def __init__(self, *args, cache: str | None = None, **kwargs) -> None:
        if cache not in (None, 'ram', 'batches'):
            raise UsageError(f"cache of {type(self).__name__} is 'ram' or 'batches' or None, got {cache!r}.")
        self.cache = cache
        super().__init__(*args, **kwargs)
        self._built = True

    def full_init(self) -> None:
        """List the samples, and decode them if the data set is already built."""
        super().full_init()
        if self.cache and self._built and self._kept is None and get_worker_info() is None and self.pipeline.transforms:
            keep = self._keep_samples if self.cache == 'ram' else self._keep_batches
            keep()

    def prepare_data(self, idx: int):
        """Give what the pipeline makes of the sample at a place."""
        # mmengine's PipelineSwitchHook gives another pipeline
        if self.cache != 'ram' or self._kept is None or self.pipeline.transforms[: len(self._static)] != self._static:
            return super().prepare_data(idx)
        start, end = self._spans[idx]
        results = pickle.loads(memoryview(self._kept[start:end]))
        for transform in self.pipeline.transforms[len(self._static) :]:
            if results is None:
                break
            results = transform(results)
        return results

    def get_subset_(self, indices) -> None:
        """Keep some of the samples, as mmengine's ``BaseDataset`` does; call ``full_init()`` to decode them."""
        self._kept = None  # places mean other samples now
        super().get_subset_(indices)

    def _copy_without_annotation(self, memo=None):
        kept, self._kept = self._kept, None
        try:
            return super()._copy_without_annotation(memo)
        finally:
            self._kept = kept

    def _keep_samples(self) -> None:
        transforms, count, free = self.pipeline.transforms, len(self), available_memory()
        name = ' '.join(filter(None, (type(self).__name__, getattr(self, 'split', None))))
        self._static, reason = static_transforms(transforms), None
        if not self._static:
            reason = f'{type(transforms[0]).__name__} comes first and may be random'
        elif free is not None and (needed := len(self._decode(0)) * count) > MEMORY * free:
            reason = f"cache='ram' needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free (lower load_size)"
        if reason:
            self.cache = None
            warn(f'{reason}: {name} is decoded anew in each epoch')
            return

        def decode(start: int) -> list[bytes]:
            return [self._decode(index) for index in range(count)[start : start + CHUNK]]

        parts = in_threads(decode, range(0, count, CHUNK), f'Decoding {name}')
        samples = [sample for part in parts for sample in part]
        ends = np.cumsum([len(sample) for sample in samples])
        self._spans = np.stack([[0, *ends[:-1]], ends], axis=1)
        self._kept = np.frombuffer(b''.join(samples), np.uint8)

    def _decode(self, index: int) -> bytes:
        results = self.get_data_info(index)
        for transform in self._static:
            if results is not None:
                results = transform(results)
        return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)

    def _keep_batches(self) -> None:
        transforms = self.pipeline.transforms
        static = static_transforms(transforms)
        rest = [type(t).__name__ for t in transforms[len(static) :]]
        if rest != [self.packer]:
            raise UsageError(
                f"cache='batches' of {type(self).__name__} keeps what the pipeline gives, which {rest[0] if rest else f'no {self.packer}'} "
                "may change each time: move it to model.data_preprocessor.augments, or set cache='ram'."
            )
        infos = [self.get_data_info(i) for i in range(len(self))]
        self._paths = [info['img_path'] for info in infos]
        numbers = {key: torch.tensor([info[key] for info in infos]) for key in self.numbers}
        self._kept = _decode_arrays(self, static) | numbers

    def __getitems__(self, indices: Sequence[int]) -> dict | list:
        """Give a batch of images and labels, or without ``cache='batches'`` a list of samples, to torch's data loader."""
        if self.cache != 'batches' or self._kept is None:
            return [self[index] for index in indices]
        if self._kept['img'].device.type == 'cpu' and get_worker_info() is None:
            self._move()
        rows = torch.tensor(indices).to(self._kept['img'].device, non_blocking=True)
        found = {key: tensor[rows] for key, tensor in self._kept.items()}
        inputs, sample = found.pop('img'), self.batch_sample(**found)
        # for sentences about a batch; by this way it is not copied
        sample.set_field([self._paths[index] for index in indices], 'img_path', field_type='metainfo')
        return dict(inputs=inputs, data_samples=sample)

    def batch_sample(self, **found: torch.Tensor) -> BaseDataElement:
        """Make the one sample of a batch of masks (N, H, W) and numbers (N,), given by their keys."""
        raise NotImplementedError

    def _move(self) -> None:
        device = get_device()
        try:
            self._kept = {key: tensor.to(device) for key, tensor in self._kept.items()}
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f'{sum(t.nbytes for t in self._kept.values()) / 1e9:.1f} GB of images do not fit into the memory of {device}: set '
                'num_workers=2 in that data loader, which leaves them in memory.'
            ) from error


def static_transforms(transforms: Sequence[Callable]) -> list[Callable]:
    """Take the leading transforms of a pipeline whose result depends on the files alone.

    Example:
        >>> from mmcv.transforms import LoadImageFromFile, RandomFlip, Resize
        >>> load, flip, resize = LoadImageFromFile(), RandomFlip(0.5), Resize((8, 8))
        >>> static_transforms([load, resize, flip, resize]) == [load, resize]
        True
    """
    known = [type(t).__qualname__ in STATIC.get(type(t).__module__.split('.')[0], ()) for t in transforms]
    return list(transforms[: [*known, False].index(False)])


@FUNCTIONS.register_module()
def batch_collate(data: dict | list) -> dict:
    """Hand a batch of ``DecodeOnce`` on, and collate a list of samples as mmengine does."""
    return data if isinstance(data, dict) else pseudo_collate(data)


def _decode_arrays(dataset: DecodeOnce, transforms: list) -> dict[str, torch.Tensor]:
    """Decode all images (N, 3, H, W), BGR, and masks (N, H, W) by all cores, into memory that forked processes share."""

    def decode(index: int) -> list[np.ndarray]:
        results = dataset.get_data_info(index)
        for transform in transforms:
            results = transform(results)
        found = [results[key] for key in dataset.arrays]
        return [array.transpose(2, 0, 1) if array.ndim == 3 else array for array in found]

    def decode_share(start: int) -> tuple[str, tuple] | None:
        for index in range(count)[start : start + share]:
            for whole, array in zip(arrays, decode(index), strict=True):
                if array.shape != whole.shape[1:]:
                    return dataset.get_data_info(index)['img_path'], array.shape
                whole[index] = array
        return None

    count, shapes = len(dataset), [array.shape for array in decode(0)]
    # no file, no limit of /dev/shm
    flat = [np.frombuffer(mmap.mmap(-1, count * math.prod(s)), np.uint8) for s in shapes]
    arrays = [one.reshape(count, *shape) for one, shape in zip(flat, shapes, strict=True)]
    # large files are worth a process sooner than small ones
    share = min(SHARE, max(32, count // (4 * available_cores())))
    starts = range(0, count, share)
    cores = min(available_cores(), len(starts))
    label = f'Decoding {count} images'
    # threads would wait for each other: an image is small, and Python's share of the work is half
    if cores > 1 and 'fork' in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context('fork').Pool(cores, _begin, (decode_share,)) as pool:
            odd = list(progress(pool.imap_unordered(_work, starts), label, len(starts)))
    else:
        odd = [decode_share(start) for start in progress(starts, label)]
    (height, width), nbytes = shapes[0][-2:], sum(array.nbytes for array in arrays)
    for path, other in filter(None, odd):
        raise UsageError(
            f"cache='batches' keeps images of one size, and {path} is {other[-1]}x{other[-2]}, the first image {width}x{height}: "
            f"{dataset.one_size}, or set cache='ram'."
        )
    MMLogger.get_current_instance().info(
        f'{count} images of {width}x{height} decoded by {max(1, cores)} processes, {nbytes / 1e9:.2f} GB'
    )
    return dict(zip(dataset.arrays, map(torch.from_numpy, arrays), strict=True))


def _begin(decode_share) -> None:
    # what forked processes inherit is not sent
    global _decode_share
    _decode_share = decode_share
    cv2.setNumThreads(0)


def _work(start: int):
    return _decode_share(start)

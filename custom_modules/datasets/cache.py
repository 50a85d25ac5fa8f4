"""A cache of decoded samples, or of whole batches, so that a run reads and decodes each file once."""

import itertools
import math
import mmap
import multiprocessing
import pickle
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement
from torch.utils.data import get_worker_info

from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_cores, available_memory
from custom_modules.utils.tables import in_threads, progress

# transforms without random numbers, with their package; a subclass is not included, since it may draw some
STATIC = (
    'mmcv.LoadImageFromFile', 'mmcv.Resize', 'mmcv.CenterCrop', 'mmseg.LoadAnnotations', 'mmpretrain.ResizeEdge',
    'custom_modules.LoadImageFromFile', 'custom_modules.LoadAnnotations', 'custom_modules.ResizeToLoadSize',
)  # fmt: skip
MEMORY_SHARE = 0.4  # of the free memory: joining the samples holds them twice, and the model needs memory too
CHUNK = 64  # samples per task of a thread: handing out small images one by one takes longer than decoding them
MOST_PER_TASK = 500  # images per task of a process
_decode_task = None  # the function that a decoding process runs, set when it starts


class DecodeOnce:
    """Mixin for mmengine data sets: files are read and decoded once per run instead of once per epoch.

    ``full_init()`` of the built data set fills the cache (mmengine's ``Runner.build_dataloader`` calls it before any worker
    starts), and worker processes share it. Later changes of the files are not seen.

    ``cache='ram'`` keeps the results of the pipeline's leading deterministic transforms, such as ``ResizeToLoadSize``. If the
    memory does not suffice, the run goes on without the cache, after a warning.

    ``cache='batches'`` is for small networks, which compute faster than samples are made and moved one by one. All images are
    decoded into one ``uint8`` tensor, all masks into another; with ``num_workers=0`` they move to the run's device at the first
    batch. A batch is a dict of ``inputs`` (N, 3, H, W) and ``data_samples``, one sample with all labels (N,) or masks (N, H, W)
    and the list of files as ``img_path``. It needs ``collate_fn=dict(type='batch_collate')`` and a data preprocessor that augments
    batches. A random transform in the pipeline, or images of different sizes, are a UsageError.

    Args:
        cache (str, optional): ``'ram'`` or ``'batches'``; None (default) decodes each time.
    """

    # keys of the decoded arrays, the image first, and of the numbers in an entry of the data list
    arrays: Sequence[str] = ('img',)
    numbers: Sequence[str] = ()
    packer = 'PackInputs'  # the pipeline's last transform
    one_size = 'add a Resize to the pipeline'  # the advice if images differ in size
    _built = False  # whether the constructor has ended, in which mmengine calls full_init too
    # 'ram': one array of all samples, pickled, as mmengine's data list: forked workers share it, but would copy Python objects;
    # 'batches': a dict of tensors
    _cached = None
    _cached_transforms: Sequence[Callable] = ()  # the first of the pipeline ('batches': all), whose results are cached

    def __init__(self, *args, cache: str | None = None, **kwargs) -> None:
        if cache not in (None, 'ram', 'batches'):
            raise UsageError(f"cache of {type(self).__name__} is 'ram' or 'batches' or None, got {cache!r}.")
        self.cache = cache
        super().__init__(*args, **kwargs)
        self._built = True

    def full_init(self) -> None:
        """List the samples, and decode them if the data set is already built."""
        super().full_init()
        if self.cache and self._built and self._cached is None and self.pipeline.transforms and not get_worker_info():
            fill_cache = self._cache_samples if self.cache == 'ram' else self._cache_batches
            fill_cache()

    def prepare_data(self, idx: int):
        """Return the pipeline's result for a sample, as mmengine's ``BaseDataset`` does."""
        transforms, done = self.pipeline.transforms, self._cached_transforms
        # a hook such as mmdet's PipelineSwitchHook may have replaced the pipeline
        if self.cache != 'ram' or self._cached is None or transforms[: len(done)] != done:
            return super().prepare_data(idx)
        start, end = self._spans[idx]
        results = pickle.loads(memoryview(self._cached[start:end]))
        # None for an unreadable file with ignore_empty
        return results and Compose(transforms[len(done) :])(results)

    def get_subset_(self, indices) -> None:
        """Keep some of the samples, as mmengine's ``BaseDataset`` does; call ``full_init()`` to decode them."""
        self._cached = None  # the indices mean other samples now
        super().get_subset_(indices)

    def _copy_without_annotation(self, memo=None):
        cached, self._cached = self._cached, None
        try:
            return super()._copy_without_annotation(memo)
        finally:
            self._cached = cached

    def _cache_samples(self) -> None:
        self._cached_transforms, count = static_transforms(self.pipeline.transforms), len(self)
        name = ' '.join(filter(None, (type(self).__name__, getattr(self, 'split', None))))
        if reason := self._reason_not_to_cache():
            self.cache = None
            MMLogger.get_current_instance().warning(f'{reason}: {name} is decoded anew in each epoch')
            return

        def decode(start: int) -> list[bytes]:
            return [self._decode(index) for index in range(count)[start : start + CHUNK]]

        samples = [sample for part in in_threads(decode, range(0, count, CHUNK), f'Decoding {name}') for sample in part]
        ends = np.cumsum([len(sample) for sample in samples])
        self._spans = np.stack([[0, *ends[:-1]], ends], axis=1)
        self._cached = np.frombuffer(b''.join(samples), np.uint8)

    def _reason_not_to_cache(self) -> str | None:
        if not self._cached_transforms:
            return f'{type(self.pipeline.transforms[0]).__name__} comes first and may be random'
        if (free := available_memory()) is None:
            return None
        # several, since images may differ in size
        sizes = [len(self._decode(index)) for index in range(0, len(self), max(1, len(self) // 8))]
        needed = np.mean(sizes) * len(self)
        if needed > MEMORY_SHARE * free:
            return f"cache='ram' needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free (lower load_size)"
        return None

    def _decode(self, index: int) -> bytes:
        return pickle.dumps(Compose(self._cached_transforms)(self.get_data_info(index)), pickle.HIGHEST_PROTOCOL)

    def _cache_batches(self) -> None:
        static, self._cached_transforms = static_transforms(self.pipeline.transforms), list(self.pipeline.transforms)
        rest = [type(t).__name__ for t in self._cached_transforms[len(static) :]]
        if rest != [self.packer]:
            fault = rest[0] if rest else f'no {self.packer}'
            raise UsageError(
                f"cache='batches' of {type(self).__name__} keeps what the pipeline gives, which {fault} "
                "may change each time: move it to model.data_preprocessor.augments, or set cache='ram'."
            )
        infos = [self.get_data_info(i) for i in range(len(self))]
        self._paths = [info['img_path'] for info in infos]
        numbers = {key: torch.tensor([info[key] for info in infos]) for key in self.numbers}
        self._cached = _decode_arrays(self, static) | numbers

    def __getitems__(self, indices: Sequence[int]) -> dict | list:
        """Return a batch of ``cache='batches'``, or a list of samples, to torch's data loader."""
        if self.cache != 'batches' or self._cached is None:
            return [self[index] for index in indices]
        if self.pipeline.transforms != self._cached_transforms:
            raise UsageError("a hook has replaced the pipeline, whose results cache='batches' keeps: set cache='ram'.")
        if self._cached['img'].device.type == 'cpu' and get_worker_info() is None:
            self._move_to_device()
        rows = torch.tensor(indices).to(self._cached['img'].device, non_blocking=True)
        found = {key: tensor[rows] for key, tensor in self._cached.items()}
        inputs, sample = found.pop('img'), self.batch_sample(**found)
        # for error messages about a batch; set_metainfo would copy the list
        sample.set_field([self._paths[index] for index in indices], 'img_path', field_type='metainfo')
        return dict(inputs=inputs, data_samples=sample)

    def batch_sample(self, **found: torch.Tensor) -> BaseDataElement:
        """Make one sample of a batch's masks (N, H, W) and numbers (N,), which are passed under their keys."""
        raise NotImplementedError

    def _move_to_device(self) -> None:
        device = get_device()
        try:
            self._cached = {key: tensor.to(device) for key, tensor in self._cached.items()}
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f'{sum(t.nbytes for t in self._cached.values()) / 1e9:.1f} GB of images do not fit into the memory of {device}: set '
                'num_workers=2 in that data loader, which leaves them in memory.'
            ) from error


def static_transforms(transforms: Sequence[Callable]) -> list[Callable]:
    """Return the leading transforms of a pipeline, up to the first that is not in ``STATIC``: their results depend on the files alone."""

    def is_static(transform: Callable) -> bool:
        package = type(transform).__module__.split('.')[0]
        return f'{package}.{type(transform).__qualname__}' in STATIC

    return list(itertools.takewhile(is_static, transforms))


@FUNCTIONS.register_module()
def batch_collate(data: dict | list) -> dict:
    """Return a batch of :class:`DecodeOnce` as it is, and collate a list of samples as mmengine does."""
    return data if isinstance(data, dict) else pseudo_collate(data)


def _decode_arrays(dataset: DecodeOnce, transforms: list) -> dict[str, torch.Tensor]:
    """Decode all images (N, 3, H, W), BGR, and masks (N, H, W) on all cores, into memory that forked processes share."""
    count, pipeline = len(dataset), Compose(transforms)

    def decode(index: int) -> list[np.ndarray]:
        results = pipeline(dataset.get_data_info(index))
        found = [results[key] for key in dataset.arrays]
        if (image := found[0]).dtype != np.uint8 or image.ndim != 3:
            raise UsageError(
                f"cache='batches' keeps colours of 8 bits, and the pipeline gives {image.dtype} {image.shape}: leave color_type and "
                "to_float32 out of its LoadImageFromFile, or set cache='ram'."
            )
        return [array.transpose(2, 0, 1) if array.ndim == 3 else array for array in found]

    shapes = [array.shape for array in decode(0)]
    # an anonymous mapping needs no file, and /dev/shm does not limit it
    buffers = [mmap.mmap(-1, count * math.prod(shape)) for shape in shapes]
    arrays = [np.frombuffer(b, np.uint8).reshape(count, *s) for b, s in zip(buffers, shapes, strict=True)]
    # a task of less than 32 images is not worth a process
    per_task = min(MOST_PER_TASK, max(32, count // (4 * available_cores())))

    def decode_task(start: int) -> tuple[str, tuple] | None:
        """Decode ``per_task`` images into ``arrays``; return path and shape of the first that differs in size from image 0."""
        for index in range(count)[start : start + per_task]:
            for whole, array in zip(arrays, decode(index), strict=True):
                if array.shape != whole.shape[1:]:
                    return dataset.get_data_info(index)['img_path'], array.shape
                whole[index] = array
        return None

    starts = range(0, count, per_task)
    cores = min(available_cores(), len(starts)) if 'fork' in multiprocessing.get_all_start_methods() else 1
    label = f'Decoding {count} images'
    # not threads: images are small, and half of the time is spent in Python itself
    if cores > 1:
        with multiprocessing.get_context('fork').Pool(cores, _init_process, (decode_task,)) as pool:
            unlike = list(progress(pool.imap_unordered(_run_task, starts), label, len(starts)))
    else:
        unlike = [decode_task(start) for start in progress(starts, label)]
    (height, width), nbytes = shapes[0][-2:], sum(array.nbytes for array in arrays)
    for path, other in filter(None, unlike):
        raise UsageError(
            f"cache='batches' keeps images of one size, and {path} is {other[-1]}x{other[-2]}, the first image {width}x{height}: "
            f'{dataset.one_size}.'
        )
    MMLogger.get_current_instance().info(
        f'{count} images of {width}x{height} decoded by {cores} processes, {nbytes / 1e9:.2f} GB'
    )
    return dict(zip(dataset.arrays, map(torch.from_numpy, arrays), strict=True))


def _init_process(decode_task: Callable) -> None:
    # a nested function cannot be pickled for each task, but a forked process inherits it
    global _decode_task
    _decode_task = decode_task
    cv2.setNumThreads(0)


def _run_task(start: int):
    return _decode_task(start)

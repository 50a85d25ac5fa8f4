"""Image loading for all data sets, and random numbers that depend only on the seed, the epoch and the sample's index.

mmengine seeds each worker process once, so a sample's random numbers depend on the number of workers and on what was drawn before,
and a resumed run repeats the numbers of the first epoch.
"""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from mmcv import transforms
from mmengine import fileio
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS
from torch.utils.data import get_worker_info

from custom_modules.utils.images import read_image


class LoadImageFromFile(transforms.LoadImageFromFile):
    """mmcv's ``LoadImageFromFile``, but reading with :func:`custom_modules.utils.images.read_image`.

    It replaces mmcv's class under the same name, so existing configs, pipelines and inferencers use it unchanged. Pixels of 8-bit
    RGB and grey PNG and JPEG files are the same. With non-default ``color_type``, ``imdecode_backend`` or file client, mmcv reads.
    """

    def transform(self, results: dict) -> dict | None:
        """Load ``img`` (H, W, 3), uint8, BGR; an unreadable file is a UsageError, or None with ``ignore_empty``."""
        if (self.color_type, self.imdecode_backend, self.file_client_args) != ('color', 'cv2', None):
            return super().transform(results)
        path = results['img_path']
        try:
            image = read_image(path if self.backend_args is None else fileio.get(path, self.backend_args), str(path), 'BGR')
        except Exception:
            if self.ignore_empty:
                return None
            raise
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


@contextlib.contextmanager
def restored_generators() -> Iterator[None]:
    """Restore the states of the generators of Python, numpy and torch's CPU after the block."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@contextlib.contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed the generators of Python, numpy and torch's CPU from non-negative numbers, and restore their states after the block."""
    # a worker process uses its generators for samples only, so there is no state to restore
    with restored_generators() if get_worker_info() is None else contextlib.nullcontext():
        first, second, third = map(int, np.random.SeedSequence(numbers).generate_state(3))
        random.seed(first)
        np.random.seed(second)
        torch.default_generator.manual_seed(third)
        yield


class SeededSamples:
    """Mixin for data sets: after ``set_epoch``, each sample is seeded on its own, independently of the number of workers.

    In a wrapper such as ``RepeatDataset`` the outermost data set seeds, so repetitions of a sample differ.
    """

    # in memory shared with worker processes; None leaves the random numbers to mmengine
    _seed_and_epoch: torch.Tensor | None = None

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Set the run's seed and the epoch that begins, from 0; the first call must precede the start of worker processes."""
        if self._seed_and_epoch is None:
            self._seed_and_epoch = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._seed_and_epoch.copy_(torch.tensor([seed, epoch]))

    def __getitem__(self, index: int):
        if self._seed_and_epoch is None:
            return super().__getitem__(index)
        with seeded(*self._seed_and_epoch.tolist(), int(index)):
            return super().__getitem__(index)


@DATASETS.register_module(name='RepeatDataset', force=True)
class SeededRepeatDataset(SeededSamples, RepeatDataset):
    """mmengine's ``RepeatDataset`` with :class:`SeededSamples`."""


@DATASETS.register_module(name='ConcatDataset', force=True)
class SeededConcatDataset(SeededSamples, ConcatDataset):
    """mmengine's ``ConcatDataset`` with :class:`SeededSamples`."""

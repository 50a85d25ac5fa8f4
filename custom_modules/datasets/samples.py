"""How a sample begins: its image is read by the one reader, its random numbers follow from seed, epoch and place.

mmengine seeds each worker process once: what a sample gets then depends on their number and on all that was drawn before, and a
resumed run begins with the first epoch's numbers again.
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
    """mmcv's ``LoadImageFromFile`` that reads what :func:`custom_modules.utils.images.read_image` reads.

    It takes its name, so that configs, both libraries' inferencers and people's own pipelines use it as they are. 8-bit RGB and
    grey PNG and JPEG files give the same pixels, others become what they look like. Where options of mmcv are set, mmcv reads.
    """

    def transform(self, results: dict) -> dict | None:
        """Load ``img`` (H, W, 3), uint8, BGR; an unreadable file is a UsageError, or None with ``ignore_empty``."""
        if (self.color_type, self.imdecode_backend, self.file_client_args) != ('color', 'cv2', None):
            return super().transform(results)
        path = results['img_path']
        try:
            data = path if self.backend_args is None else fileio.get(path, self.backend_args)
            image = read_image(data, str(path), 'BGR')
        except Exception:
            if self.ignore_empty:
                return None
            raise
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


@contextlib.contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed the generators of Python, numpy and torch (the CPU's) by numbers from 0 on; after the block they go on as before."""
    # a worker process draws for samples alone
    keep = get_worker_info() is None
    if keep:
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    first, second, third = map(int, np.random.SeedSequence(numbers).generate_state(3))
    random.seed(first)
    np.random.seed(second)
    torch.default_generator.manual_seed(third)
    try:
        yield
    finally:
        if keep:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


class SeededSamples:
    """Mixin for data sets: once it is told the epoch, each sample draws numbers of its own, however many workers there are.

    Where data sets hold others, the outermost one counts, so that what is repeated differs.
    """

    # seed and epoch, in memory that worker processes share; None draws as mmengine has it
    _seed_and_epoch: torch.Tensor | None = None

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Tell the run's seed and which epoch begins, from 0; the first call comes before worker processes start."""
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
    """mmengine's ``RepeatDataset``, whose repetitions draw numbers of their own."""


@DATASETS.register_module(name='ConcatDataset', force=True)
class SeededConcatDataset(SeededSamples, ConcatDataset):
    """mmengine's ``ConcatDataset``, whose samples draw numbers of their own."""

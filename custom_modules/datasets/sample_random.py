"""Random numbers of a sample: they follow from the run's seed, the epoch and the sample's place, and from nothing else.

mmengine seeds each worker process once. What a sample gets then depends on how many workers there are and on all that was
drawn before, and a resumed run begins with the first epoch's numbers again.
"""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS
from torch.utils.data import get_worker_info


def seed_everything(*numbers: int) -> None:
    """Seed the generators of Python, numpy and torch (that of the CPU).

    Args:
        *numbers (int): What the seeds follow from, none below 0.
    """
    first, second, third = map(int, np.random.SeedSequence(numbers).generate_state(3))
    random.seed(first)
    np.random.seed(second)
    torch.default_generator.manual_seed(third)


@contextlib.contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed the generators for a block, after which they go on as if it had not been.

    Args:
        *numbers (int): What the seeds follow from, none below 0.

    Example:
        >>> with seeded(0, 3, 7):
        ...     first = np.random.rand()
        >>> with seeded(0, 3, 7):
        ...     first == np.random.rand()
        True
    """
    # a worker process draws for samples alone
    keep = get_worker_info() is None
    if keep:
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_everything(*numbers)
    try:
        yield
    finally:
        if keep:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


class SeededSamples:
    """Mixin for data sets: once it is told the epoch, each sample draws numbers of its own.

    They do not depend on the number of worker processes, nor on what was drawn before, so a resumed run draws what the
    unbroken one would have. Where data sets hold others, the outermost one counts, so that what is repeated differs.
    """

    # seed and epoch, in memory that worker processes share; None draws as mmengine has it
    _seed_and_epoch: torch.Tensor | None = None

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Tell which epoch begins.

        Args:
            seed (int): The run's seed.
            epoch (int): The epoch, from 0. The first call has to come before worker processes start.
        """
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
    """mmengine's ``RepeatDataset``, whose repetitions draw numbers of their own; arguments are those of mmengine's."""


@DATASETS.register_module(name='ConcatDataset', force=True)
class SeededConcatDataset(SeededSamples, ConcatDataset):
    """mmengine's ``ConcatDataset``, whose samples draw numbers of their own; arguments are those of mmengine's."""

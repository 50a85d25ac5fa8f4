"""What an epoch draws follows from the run's seed and the epoch, so that a resumed run goes on as it was."""

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop


@HOOKS.register_module()
class ResumableSeedHook(DistSamplerSeedHook):
    """mmengine's ``DistSamplerSeedHook``, which tells the sampler the epoch, for all else that draws numbers.

    - The training set is told the epoch, so that each sample draws by seed, epoch and place
      (:class:`custom_modules.datasets.sample_random.SeededSamples`), whatever the number of worker processes.
    - torch's generators, which dropout draws from, are seeded by seed and iteration, and differ between processes.

    In a loop by iteration, whose only epoch sees a sample many times, it does what mmengine's does.
    """

    def before_train(self, runner) -> None:
        """Say so where the data set cannot do it.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self._dataset = runner.train_dataloader.dataset
        if self._by_epoch and not hasattr(self._dataset, 'set_epoch'):
            runner.logger.warning(
                f'{type(self._dataset).__name__} draws random numbers by worker process: after a resume it repeats those of the '
                'first epoch. Data sets of this project draw by sample.'
            )
            self._dataset = None

    def before_train_epoch(self, runner) -> None:
        """Tell sampler and data set the epoch.

        Args:
            runner (Runner): The runner of the training process.
        """
        super().before_train_epoch(runner)
        if self._by_epoch and self._dataset is not None:
            self._dataset.set_epoch(runner.seed, runner.epoch)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Seed torch's generators.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Unused.
            data_batch (dict, optional): Unused.
        """
        numbers = np.random.SeedSequence((runner.seed, runner.iter, get_rank()))
        torch.manual_seed(int(numbers.generate_state(1)[0]))

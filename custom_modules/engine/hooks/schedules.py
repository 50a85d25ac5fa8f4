"""Hooks that act at the start of an epoch: frozen stages, image size, seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from custom_modules.engine.devices import inner_model
from custom_modules.utils.errors import UsageError


def _require_epochs(hook: Hook, runner, changes: Sequence) -> None:
    if len(changes) > 1 and not isinstance(runner.train_loop, EpochBasedTrainLoop):
        raise UsageError(
            f'{type(hook).__name__} acts by epoch, and {type(runner.train_loop).__name__} has a single one: train by epochs '
            '(train_cfg.by_epoch=True and max_epochs), or leave the hook out.'
        )


@HOOKS.register_module()
class FreezeScheduleHook(Hook):
    """Freeze and unfreeze stages of the backbone by epoch.

    It *sets* ``backbone.frozen_stages`` from the current epoch before each training epoch, so a resume restores the right state
    and ``model.train()`` cannot undo it. It acts after the optimizer is built, so that this has the frozen parameters too.

    Args:
        schedule (Mapping[int, int]): ``frozen_stages`` by the first epoch, counted from 0, from which it holds: -1 nothing, 0
            the stem, k the stem and the first k stages. Epoch 0 is required.

    Raises:
        UsageError: If the schedule lacks epoch 0 or freezes what it has unfrozen, the backbone is no ``StagedBackbone``, the
            optimizer lacks some of it, or a schedule with several entries meets a loop without epochs.

    Example:
        >>> # all four stages are frozen for 4 epochs, then the last two train, from epoch 20 on everything does
        >>> default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4, 4: 2, 20: -1}))
    """

    priority = 'VERY_HIGH'  # before hooks that use gradients or parameters

    def __init__(self, schedule: Mapping[int, int]) -> None:
        self.schedule = {int(epoch): int(frozen) for epoch, frozen in schedule.items()}
        if 0 not in self.schedule or min(self.schedule) < 0:
            raise UsageError(
                'schedule of FreezeScheduleHook maps epochs >= 0 to frozen_stages and needs epoch 0, '
                f'such as {{0: 4, 10: -1}}; got {dict(schedule)}.'
            )
        frozen = [self.schedule[epoch] for epoch in sorted(self.schedule)]
        if sorted(frozen) not in (frozen, frozen[::-1]):
            raise UsageError(
                f'schedule of FreezeScheduleHook freezes what it has unfrozen before, {self.schedule}: mmengine has merged it into '
                "the base config's; add '_delete_': True to the child's."
            )

    def before_train(self, runner) -> None:
        """Check the backbone and the optimizer, and set the state of the last epoch, whose validation a resume may repeat."""
        backbone = self._backbone = getattr(inner_model(runner.model), 'backbone', None)
        # setting the plain attribute of mmseg's backbones unfreezes nothing
        if not isinstance(getattr(type(backbone), 'frozen_stages', None), property):
            raise UsageError(
                'FreezeScheduleHook needs a backbone whose frozen_stages can be set at any time, and that of '
                f'{type(backbone).__name__} cannot: use a StagedBackbone of this project or remove the hook.'
            )
        _require_epochs(self, runner, self.schedule)
        if late := sorted(epoch for epoch in self.schedule if epoch >= runner.max_epochs):
            runner.logger.warning(f'max_epochs={runner.max_epochs}: the freeze schedule never reaches its epochs {late}.')
        # a wrong one is refused now, not hours later; the last unfreezes all that is ever unfrozen
        for frozen in sorted(self.schedule.values(), reverse=True):
            backbone.frozen_stages = frozen
        optimized = {id(p) for group in runner.optim_wrapper.param_groups for p in group['params']}
        missing = sum(p.numel() for p in backbone.parameters() if p.requires_grad and id(p) not in optimized)
        if missing:
            raise UsageError(
                f'{missing:,} parameters of the backbone would be unfrozen and never train, since the optimizer was built without them: '
                'leave model.backbone.frozen_stages out, and let the schedule of FreezeScheduleHook freeze.'
            )
        self._apply(runner, max(runner.epoch - 1, 0))

    def before_train_epoch(self, runner) -> None:
        """Set the state of the epoch that starts."""
        self._apply(runner, runner.epoch)

    def _apply(self, runner, epoch: int) -> None:
        frozen = self.schedule[max(start for start in self.schedule if start <= epoch)]
        if self._backbone.frozen_stages == frozen:
            return
        self._backbone.frozen_stages = frozen
        trainable = sum(p.numel() for p in self._backbone.parameters() if p.requires_grad)
        total = sum(p.numel() for p in self._backbone.parameters())
        runner.logger.info(f'Epoch {epoch + 1}: frozen_stages={frozen}, {trainable:,} of {total:,} backbone parameters train')


@HOOKS.register_module()
class ProgressiveResizeHook(Hook):
    """Train on small images first and on larger ones later, which saves time; the validation size does not change.

    `Progressive resizing <https://arxiv.org/abs/1707.02921>`_, also `EfficientNetV2 <https://arxiv.org/abs/2104.00298>`_. It
    sets the ``size`` of the preprocessor's ``BatchRandomResizedCrop`` before each epoch, from the epoch alone.

    Args:
        stages (Sequence[tuple[float, int]]): Share of all epochs from which on a size, and the images' height and width; a
            UsageError if the shares do not begin with 0 and rise to below 1.

    Example:
        >>> hook = ProgressiveResizeHook(stages=[(0, 64), (0.5, 96), (0.75, 128)])
        >>> [hook.size_at(epoch, 8) for epoch in range(8)]
        [64, 64, 64, 64, 96, 96, 128, 128]
    """

    def __init__(self, stages: Sequence[tuple[float, int]]) -> None:
        shares = [share for share, _ in stages]
        if not shares or shares[0] != 0 or shares != sorted(set(shares)) or shares[-1] >= 1:
            raise UsageError(f'the shares of stages begin with 0 and rise to below 1, got {shares}: mend them.')
        self.stages = stages

    def size_at(self, epoch: int, max_epochs: int) -> int:
        """Return height and width of an epoch's images; the last epoch has the last size, however few there are."""
        return [size for share, size in self.stages if epoch >= share * max_epochs or epoch + 1 == max_epochs][-1]

    def before_train_epoch(self, runner) -> None:
        """Set the size of the epoch's images."""
        augments = getattr(inner_model(runner.model).data_preprocessor, 'augments', ())
        crops = [a for a in augments if type(a).__name__ == 'BatchRandomResizedCrop']
        if not crops:
            raise UsageError(
                'ProgressiveResizeHook sets the size of BatchRandomResizedCrop, and model.data_preprocessor.augments holds none: add it.'
            )
        _require_epochs(self, runner, self.stages)
        size = self.size_at(runner.epoch, runner.max_epochs)
        for crop in crops:
            if crop.size != size or runner.epoch == 0:
                runner.logger.info(f'Images of {size}x{size} from epoch {runner.epoch + 1} on')
            crop.size = size


@HOOKS.register_module()
class ResumableSeedHook(DistSamplerSeedHook):
    """mmengine's ``DistSamplerSeedHook``, which sets the sampler's epoch, for all other random numbers.

    - It sets the training set's epoch, so that each sample's random numbers follow from seed, epoch and index (``SeededSamples``).
      Not in iteration-based loops, whose one epoch repeats the samples.
    - It seeds torch's and numpy's generators, used by dropout and mixing, from seed, iteration and rank.
    - A resumed run without a set seed goes on with the sampler of the seed that was drawn.
    """

    def before_train(self, runner) -> None:
        """Warn of a data set whose epoch cannot be set."""
        self._by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self._dataset, sampler = runner.train_dataloader.dataset, runner.train_dataloader.sampler
        given = runner.cfg.get('randomness') or {}
        if given.get('seed') is None and not given.get('diff_rank_seed') and hasattr(sampler, 'seed'):
            sampler.seed = runner.seed
        if self._by_epoch and not hasattr(self._dataset, 'set_epoch'):
            runner.logger.warning(
                f'{type(self._dataset).__name__} draws random numbers by worker: a resume repeats those of the first epoch.'
            )
            self._dataset = None

    def before_train_epoch(self, runner) -> None:
        """Set the epoch of sampler and data set."""
        super().before_train_epoch(runner)
        if self._by_epoch and self._dataset is not None:
            self._dataset.set_epoch(runner.seed, runner.epoch)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Seed torch's and numpy's generators."""
        seeds = np.random.SeedSequence((runner.seed, runner.iter, get_rank())).generate_state(2)
        torch.manual_seed(int(seeds[0]))
        np.random.seed(seeds[1])

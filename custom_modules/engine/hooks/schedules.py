"""What each epoch begins with: frozen stages, the size of images, and the seeds of all that draws numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop

from custom_modules.engine.devices import inner_model
from custom_modules.utils.errors import UsageError


@HOOKS.register_module()
class FreezeScheduleHook(Hook):
    """Freeze and unfreeze stages of the backbone by epoch.

    It *sets* ``backbone.frozen_stages`` from the current epoch before each training epoch, so a resume lands in the right state
    and ``model.train()`` cannot undo it. It acts after the optimizer was built, which so holds the frozen parameters too.

    Args:
        schedule (Mapping[int, int]): From which epoch (counted from 0, which must be given) which ``frozen_stages`` holds:
            -1 nothing, 0 the stem, k the stem and the first k stages.

    Raises:
        UsageError: If the schedule has no epoch 0, the backbone is no ``StagedBackbone``, or the optimizer lacks what is to be
            unfrozen.

    Example:
        >>> # all four stages are frozen for 4 epochs, then the last two train, from epoch 20 on everything does
        >>> default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4, 4: 2, 20: -1}))
    """

    priority = 'VERY_HIGH'  # before the ones that look at gradients or parameters

    def __init__(self, schedule: Mapping[int, int]) -> None:
        self.schedule = {int(epoch): int(frozen) for epoch, frozen in schedule.items()}
        if 0 not in self.schedule or min(self.schedule) < 0:
            raise UsageError(
                'schedule of FreezeScheduleHook maps epochs >= 0 to frozen_stages and needs epoch 0, '
                f'such as {{0: 4, 10: -1}}; got {dict(schedule)}.'
            )

    def before_train(self, runner) -> None:
        """Set the state of the first epoch, or of the last one before a resume, whose validation may be repeated."""
        backbone = getattr(inner_model(runner.model), 'backbone', None)
        # a stock backbone's plain attribute never unfreezes what it once froze
        if not isinstance(getattr(type(backbone), 'frozen_stages', None), property):
            raise UsageError(
                'FreezeScheduleHook needs a backbone whose frozen_stages can be set at any time, and that of '
                f'{type(backbone).__name__} cannot: use a StagedBackbone of this project or remove the hook.'
            )
        self._backbone = backbone
        # all that is ever unfrozen
        backbone.frozen_stages = min(self.schedule.values())
        held = {id(p) for group in runner.optim_wrapper.param_groups for p in group['params']}
        trainable = [p for p in backbone.parameters() if p.requires_grad]
        missing = sum(p.numel() for p in trainable if id(p) not in held)
        if missing:
            raise UsageError(
                f'{missing:,} parameters of the backbone would be unfrozen and never train, since the optimizer was built without them: '
                'leave model.backbone.frozen_stages out, and let the schedule of FreezeScheduleHook freeze.'
            )
        self._apply(runner, max(runner.epoch - 1, 0))

    def before_train_epoch(self, runner) -> None:
        """Set the state for the epoch that begins."""
        self._apply(runner, runner.epoch)

    def _apply(self, runner, epoch: int) -> None:
        frozen = self.schedule[max(start for start in self.schedule if start <= epoch)]
        if self._backbone.frozen_stages == frozen:
            return
        self._backbone.frozen_stages = frozen
        trainable = sum(p.numel() for p in self._backbone.parameters() if p.requires_grad)
        total = sum(p.numel() for p in self._backbone.parameters())
        runner.logger.info(
            f'Epoch {epoch + 1}: frozen_stages={frozen}, {trainable:,} of {total:,} backbone parameters train'
        )


@HOOKS.register_module()
class ProgressiveResizeHook(Hook):
    """Train on small images first, and on larger ones later: most of what a classifier learns needs few pixels.

    `Progressive resizing <https://arxiv.org/abs/1707.02921>`_, also `EfficientNetV2 <https://arxiv.org/abs/2104.00298>`_. It
    sets the ``size`` of the preprocessor's ``BatchRandomResizedCrop`` before each epoch, from the epoch alone. Validation keeps
    its own.

    Args:
        stages (Sequence[tuple[float, int]]): From which share of all epochs on, and the images' height and width from there;
            a ValueError if the shares do not begin with 0 and rise to below 1.

    Example:
        >>> hook = ProgressiveResizeHook(stages=[(0, 64), (0.5, 96), (0.75, 128)])
        >>> [hook.size_at(epoch, 8) for epoch in range(8)]
        [64, 64, 64, 64, 96, 96, 128, 128]
    """

    def __init__(self, stages: Sequence[tuple[float, int]]) -> None:
        shares = [share for share, _ in stages]
        if not shares or shares[0] != 0 or shares != sorted(set(shares)) or shares[-1] >= 1:
            raise ValueError(f'the shares of stages begin with 0 and rise to below 1, got {shares}.')
        self.stages = [(share, size) for share, size in stages]

    def size_at(self, epoch: int, max_epochs: int) -> int:
        """Tell height and width of an epoch's images."""
        return [size for share, size in self.stages if epoch >= share * max_epochs][-1]

    def before_train_epoch(self, runner) -> None:
        """Set the size."""
        augments = getattr(inner_model(runner.model).data_preprocessor, 'augments', ())
        crops = [a for a in augments if type(a).__name__ == 'BatchRandomResizedCrop']
        if not crops:
            raise ValueError(
                'ProgressiveResizeHook sets the size of BatchRandomResizedCrop, and model.data_preprocessor.augments holds none.'
            )
        size = self.size_at(runner.epoch, runner.max_epochs)
        for crop in crops:
            if crop.size != size or runner.epoch == 0:
                runner.logger.info(f'Images of {size}x{size} from epoch {runner.epoch + 1} on')
            crop.size = size


@HOOKS.register_module()
class ResumableSeedHook(DistSamplerSeedHook):
    """mmengine's ``DistSamplerSeedHook``, which tells the sampler the epoch, for all else that draws numbers.

    - The training set is told the epoch, so that each sample draws by seed, epoch and place (``SeededSamples``).
    - torch's generators, which dropout draws from, are seeded by seed and iteration, and differ between processes.

    In a loop by iteration, whose only epoch sees a sample many times, it does what mmengine's does.
    """

    def before_train(self, runner) -> None:
        """Say so where the data set cannot do it."""
        self._by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self._dataset = runner.train_dataloader.dataset
        if self._by_epoch and not hasattr(self._dataset, 'set_epoch'):
            runner.logger.warning(
                f'{type(self._dataset).__name__} draws random numbers by worker process: after a resume it repeats those of the '
                'first epoch. Data sets of this project draw by sample.'
            )
            self._dataset = None

    def before_train_epoch(self, runner) -> None:
        """Tell sampler and data set the epoch."""
        super().before_train_epoch(runner)
        if self._by_epoch and self._dataset is not None:
            self._dataset.set_epoch(runner.seed, runner.epoch)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Seed torch's generators."""
        torch.manual_seed(int(np.random.SeedSequence((runner.seed, runner.iter, get_rank())).generate_state(1)[0]))

from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS

from custom_modules.usage_error import UsageError


@HOOKS.register_module()
class FreezeScheduleHook(Hook):
    """Freeze and wake stages of the backbone by epoch.

    The one freezing mechanism of this project. It *sets* ``backbone.frozen_stages`` from the current epoch
    before each training epoch, so a resume in the middle lands in the right state and
    ``model.train()`` cannot undo it. It first acts after the optimizer was built, so the optimizer holds
    the sleeping parameters too and a later stage really trains once it wakes; a backbone that is frozen by its own
    ``frozen_stages`` too may not be in the optimizer, and is refused if it is to wake.

    Args:
        schedule (Mapping[int, int]): From which epoch (counted from 0) which ``frozen_stages`` holds:
            -1 nothing, 0 the stem, k the stem and the first k stages. Epoch 0 must be given.

    Raises:
        UsageError: If the schedule has no epoch 0, the model's backbone is no ``StagedBackbone``, or the optimizer does not
            hold what is to wake.

    Example:
        >>> # all four stages sleep for 4 epochs, then the last two train, from epoch 20 on everything does
        >>> default_hooks = dict(freeze_schedule=dict(type='FreezeScheduleHook', schedule={0: 4, 4: 2, 20: -1}))
    """

    # before the ones that look at gradients or parameters
    priority = 'VERY_HIGH'

    def __init__(self, schedule: Mapping[int, int]) -> None:
        self.schedule = {int(epoch): int(frozen) for epoch, frozen in schedule.items()}
        if 0 not in self.schedule or min(self.schedule) < 0:
            raise UsageError(
                'schedule of FreezeScheduleHook maps epochs >= 0 to frozen_stages and needs epoch 0, '
                f'such as {{0: 4, 10: -1}}; got {dict(schedule)}.'
            )

    def before_train(self, runner) -> None:
        """Set the state for the epoch that the run starts or resumes with.

        Args:
            runner (Runner): The runner of the training process.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        backbone = getattr(model, 'backbone', None)
        # a stock backbone's plain attribute never wakes what it once froze
        if not isinstance(getattr(type(backbone), 'frozen_stages', None), property):
            raise UsageError(
                'FreezeScheduleHook needs a backbone whose frozen_stages can be set at any time, and that of '
                f'{type(backbone).__name__} cannot: use a StagedBackbone of this project or remove the hook.'
            )
        self._backbone = backbone
        # all that ever wakes
        backbone.frozen_stages = min(self.schedule.values())
        held = _held_by_optimizer(runner.optim_wrapper)
        awake = [p for p in backbone.parameters() if p.requires_grad]
        missing = sum(p.numel() for p in awake if id(p) not in held)
        if missing:
            raise UsageError(
                f'{missing:,} parameters of the backbone would wake and never train, since the optimizer was built without them: '
                'leave model.backbone.frozen_stages out, and let the schedule of FreezeScheduleHook freeze.'
            )
        self._apply(runner)

    def before_train_epoch(self, runner) -> None:
        """Set the state for the epoch that begins.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._apply(runner)

    def _apply(self, runner) -> None:
        start = max(epoch for epoch in self.schedule if epoch <= runner.epoch)
        frozen = self.schedule[start]
        if self._backbone.frozen_stages == frozen:
            return
        self._backbone.frozen_stages = frozen
        trainable = sum(p.numel() for p in self._backbone.parameters() if p.requires_grad)
        total = sum(p.numel() for p in self._backbone.parameters())
        runner.logger.info(
            f'Epoch {runner.epoch + 1}: frozen_stages={frozen}, '
            f'{trainable:,} of {total:,} backbone parameters train'
        )


def _held_by_optimizer(optim_wrapper) -> set[int]:
    """Identify the parameters of the optimizer, or of all of several."""
    several = isinstance(optim_wrapper, OptimWrapperDict)
    wrappers = list(optim_wrapper.values()) if several else [optim_wrapper]
    groups = [group for wrapper in wrappers for group in wrapper.optimizer.param_groups]
    return {id(p) for group in groups for p in group['params']}

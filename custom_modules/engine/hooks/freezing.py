"""Stages that are frozen for some epochs, and the learning rates of parameter groups."""

from collections.abc import Mapping

from mmengine.hooks import Hook, LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS

from custom_modules.utils.errors import UsageError


@HOOKS.register_module()
class FreezeScheduleHook(Hook):
    """Freeze and unfreeze stages of the backbone by epoch.

    The one freezing mechanism of this project. It *sets* ``backbone.frozen_stages`` from the current epoch
    before each training epoch, so a resume in the middle lands in the right state and
    ``model.train()`` cannot undo it. It first acts after the optimizer was built, so the optimizer holds
    the frozen parameters too and a later stage really trains once it is unfrozen; a backbone that is frozen by its own
    ``frozen_stages`` too may not be in the optimizer, and is refused if it is to be unfrozen.

    Args:
        schedule (Mapping[int, int]): From which epoch (counted from 0) which ``frozen_stages`` holds:
            -1 nothing, 0 the stem, k the stem and the first k stages. Epoch 0 must be given.

    Raises:
        UsageError: If the schedule has no epoch 0, the model's backbone is no ``StagedBackbone``, or the optimizer does not
            hold what is to be unfrozen.

    Example:
        >>> # all four stages are frozen for 4 epochs, then the last two train, from epoch 20 on everything does
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
        """Set the state of the first epoch, or of the last one before a resume, whose validation may be repeated.

        Args:
            runner (Runner): The runner of the training process.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        backbone = getattr(model, 'backbone', None)
        # a stock backbone's plain attribute never unfreezes what it once froze
        if not isinstance(getattr(type(backbone), 'frozen_stages', None), property):
            raise UsageError(
                'FreezeScheduleHook needs a backbone whose frozen_stages can be set at any time, and that of '
                f'{type(backbone).__name__} cannot: use a StagedBackbone of this project or remove the hook.'
            )
        self._backbone = backbone
        # all that is ever unfrozen
        backbone.frozen_stages = min(self.schedule.values())
        held = _held_by_optimizer(runner.optim_wrapper)
        trainable = [p for p in backbone.parameters() if p.requires_grad]
        missing = sum(p.numel() for p in trainable if id(p) not in held)
        if missing:
            raise UsageError(
                f'{missing:,} parameters of the backbone would be unfrozen and never train, since the optimizer was built without them: '
                'leave model.backbone.frozen_stages out, and let the schedule of FreezeScheduleHook freeze.'
            )
        self._apply(runner, max(runner.epoch - 1, 0))

    def before_train_epoch(self, runner) -> None:
        """Set the state for the epoch that begins.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._apply(runner, runner.epoch)

    def _apply(self, runner, epoch: int) -> None:
        start = max(start for start in self.schedule if start <= epoch)
        frozen = self.schedule[start]
        if self._backbone.frozen_stages == frozen:
            return
        self._backbone.frozen_stages = frozen
        trainable = sum(p.numel() for p in self._backbone.parameters() if p.requires_grad)
        total = sum(p.numel() for p in self._backbone.parameters())
        runner.logger.info(
            f'Epoch {epoch + 1}: frozen_stages={frozen}, '
            f'{trainable:,} of {total:,} backbone parameters train'
        )


def _held_by_optimizer(optim_wrapper) -> set[int]:
    """Identify the parameters of the optimizer, or of all of several."""
    several = isinstance(optim_wrapper, OptimWrapperDict)
    wrappers = list(optim_wrapper.values()) if several else [optim_wrapper]
    groups = [group for wrapper in wrappers for group in wrapper.optimizer.param_groups]
    return {id(p) for group in groups for p in group['params']}


@HOOKS.register_module()
class GroupRatesHook(Hook):
    """Record the learning rate of each part of the model, and how much of the backbone is frozen.

    mmengine records the rate of the optimizer's first group as ``lr``, and the rate that no multiplier has
    touched as ``base_lr``. Where a ``paramwise_cfg`` gives the parts rates of their own, this adds
    ``lr/backbone_lr``, ``lr/decode_head_lr``, ... to the log line, the JSON log, TensorBoard and the trackers. A part
    that holds several multiples of the base rate has one scalar for each: ``lr/backbone_x0.1_lr``. Where all
    parameters share one rate there is nothing to add. (The names end with ``lr`` because mmengine's log line
    writes those with an exponent; another 1e-5 would read 0.0000.)

    ``frozen_stages`` is recorded for every backbone that has it: -1 nothing, 0 the stem, k the stem
    and the first k stages.

    Values are those the last step was made with, no averages, and are looked up only for the steps that are
    logged. Several optimizers (``OptimWrapperDict``) are left to mmengine, which names their rates itself.

    Example:
        >>> default_hooks = dict(group_rates=dict(type='GroupRatesHook'))
    """

    # before LoggerHook writes (BELOW_NORMAL) and before a scheduler sets the next step's rate (LOW)
    priority = 'NORMAL'

    def before_train(self, runner) -> None:
        """Find one group of the optimizer for each name.

        Args:
            runner (Runner): The runner of the training process.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._backbone = getattr(model, 'backbone', None)
        self._intervals = [h.interval for h in runner.hooks if isinstance(h, LoggerHook)]
        self._groups = {}
        if not isinstance(runner.optim_wrapper, OptimWrapperDict):
            self._groups = _named_groups(model, runner.optim_wrapper)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Record, if this step is logged.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Index of the batch in the epoch.
            data_batch (dict, optional): Unused.
            outputs (dict, optional): Unused.
        """
        logged = any(self.every_n_inner_iters(batch_idx, n) for n in self._intervals)
        if not logged and not self.end_of_epoch(runner.train_dataloader, batch_idx):
            return
        values = {f'train/lr/{name}_lr': group['lr'] for name, group in self._groups.items()}
        frozen = getattr(self._backbone, 'frozen_stages', None)
        if isinstance(frozen, int):
            values['train/frozen_stages'] = frozen
        # nothing that a checkpoint has to carry: only the newest value is shown
        runner.message_hub.update_scalars(values, resumed=False)


def _named_groups(model, optim_wrapper) -> dict[str, dict]:
    """One group for each name; groups that begin at one rate are scheduled alike."""
    groups = optim_wrapper.optimizer.param_groups
    starts = [_start(group) for group in groups]
    if len(set(starts)) == 1:
        return {}
    base = _start(optim_wrapper.base_param_settings)
    parts = {id(p): name.split('.')[0] for name, p in model.named_parameters()}
    found = {}
    for group, start in zip(groups, starts, strict=True):
        for part in dict.fromkeys(parts[id(p)] for p in group['params']):
            found.setdefault(part, {}).setdefault(f'x{start / base:g}', group)
    return {
        part if len(multiples) == 1 else f'{part}_{multiple}': group
        for part, multiples in found.items()
        for multiple, group in multiples.items()
    }


def _start(group: dict) -> float:
    """The rate before any schedule, which is what tells groups apart after a resume too."""
    return group.get('initial_lr', group['lr'])

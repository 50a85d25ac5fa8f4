"""Logged scalars: losses that are read from the device only when logged, and learning rates of parameter groups."""

import torch
from mmengine.hooks import CheckpointHook, Hook, LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS

from custom_modules.engine.devices import inner_model


def _is_logged_or_last(hook: Hook, runner, batch_idx: int) -> bool:
    intervals = [logger.interval for logger in runner.hooks if isinstance(logger, LoggerHook)]
    logged = any(hook.every_n_inner_iters(batch_idx, interval) for interval in intervals)
    return logged or hook.end_of_epoch(runner.train_dataloader, batch_idx)


@HOOKS.register_module()
class LazyRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, which can leave losses on their device until they are logged.

    mmengine synchronizes with the GPU for each loss of each iteration. Here they are transferred together when a line is logged
    or an epoch ends, with the same history. :class:`LazyScalarsHook` switches it on.
    """

    def __init__(self) -> None:
        self.lazy = False
        self._waiting: dict[str, list[torch.Tensor]] = {}

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Record the losses, and transfer those that wait if this iteration is logged."""
        if not self.lazy:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            return
        for name, value in (outputs or {}).items():
            self.record(runner.message_hub, f'train/{name}', value)
        if _is_logged_or_last(self, runner, batch_idx):
            self.read(runner.message_hub)

    def record(self, hub, name: str, value: torch.Tensor | float) -> None:
        """Record a scalar, or a tensor of one element, for the run's message hub."""
        # the first value of a name goes to the hub at once, since lines list the names in the order in which the hub got them
        if isinstance(value, torch.Tensor) and name in hub.log_scalars:
            self._waiting.setdefault(name, []).append(value.detach().reshape(()))
        else:
            hub.update_scalar(name, value)

    def read(self, hub) -> None:
        """Transfer the tensors that wait to the run's message hub."""
        waiting, self._waiting = self._waiting, {}
        for name, values in waiting.items():
            for value in torch.stack(values).tolist():
                hub.update_scalar(name, value)


@HOOKS.register_module()
class LazyScalarsHook(Hook):
    """Transfer the losses and the gradient norm from the device only when they are logged, see :class:`LazyRuntimeInfoHook`.

    It does nothing without that hook, or where checkpoints, which hold the history, are written by iteration.

    Args:
        enabled (bool): ``default_hooks = dict(lazy_scalars=dict(enabled=False))`` switches it off. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_train(self, runner) -> None:
        """Make the runtime info hook lazy, and record the gradient norm through it."""
        by_epoch = all(hook.by_epoch for hook in runner.hooks if isinstance(hook, CheckpointHook))
        infos = [hook for hook in runner.hooks if isinstance(hook, LazyRuntimeInfoHook)]
        if not (self.enabled and by_epoch and infos):
            return
        infos[0].lazy = True
        wrapper = runner.optim_wrapper
        if not wrapper.clip_grad_kwargs:
            return
        clip, name = wrapper.clip_func, f'train/{wrapper.grad_name}'

        def clip_and_record(parameters, **kwargs) -> None:
            norm = clip(parameters, **kwargs)
            # recorded, not returned: mmengine would transfer a returned norm at once
            if norm is not None:
                infos[0].record(runner.message_hub, name, norm)

        wrapper.clip_func = clip_and_record


@HOOKS.register_module()
class GroupRatesHook(Hook):
    """Record the learning rate of each part of the model, and the backbone's ``frozen_stages``, in steps that are logged.

    mmengine records the first parameter group's rate as ``lr``. Where a ``paramwise_cfg`` gives parts their own rates, this adds
    ``lr/backbone_lr``, ``lr/decode_head_lr``, ... (mmengine's log prints 1e-5 as 0.0000 unless the name ends with ``lr``).
    """

    # before LoggerHook writes (BELOW_NORMAL) and before a scheduler sets the next step's rate (LOW)
    priority = 'NORMAL'

    def before_train(self, runner) -> None:
        """Find the last parameter group of each part."""
        model = inner_model(runner.model)
        self._backbone = getattr(model, 'backbone', None)
        groups = runner.optim_wrapper.optimizer.param_groups
        # the initial rates differ after a resume too
        several = len({group.get('initial_lr', group['lr']) for group in groups}) > 1
        parts = {id(p): name.split('.')[0] for name, p in model.named_parameters()}
        self._groups = {parts[id(p)]: group for group in groups for p in group['params']} if several else {}

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Record the values if this step is logged."""
        if not _is_logged_or_last(self, runner, batch_idx):
            return
        values = {f'train/lr/{name}_lr': group['lr'] for name, group in self._groups.items()}
        frozen = getattr(self._backbone, 'frozen_stages', None)
        if isinstance(frozen, int):
            values['train/frozen_stages'] = frozen
        # not saved in checkpoints, since only the latest value is shown
        runner.message_hub.update_scalars(values, resumed=False)

"""Scalars of the log: read from the device only when they are logged, and the learning rates of parameter groups."""

import torch
from mmengine.hooks import CheckpointHook, Hook, LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS

from custom_modules.engine.devices import inner_model


def _is_logged(hook: Hook, runner, batch_idx: int) -> bool:
    """Whether an iteration has a line in the log, or ends an epoch."""
    intervals = [logger.interval for logger in runner.hooks if isinstance(logger, LoggerHook)]
    logged = any(hook.every_n_inner_iters(batch_idx, interval) for interval in intervals)
    return logged or hook.end_of_epoch(runner.train_dataloader, batch_idx)


@HOOKS.register_module()
class LazyRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, which can leave losses on their device until somebody logs them.

    mmengine's own turns each loss of each iteration into a number at once, and each time a GPU's queue runs empty. Here they
    come over together when a line is logged or an epoch ends: the same history, to the last digit. :class:`LazyScalarsHook`
    switches it on.
    """

    def __init__(self) -> None:
        self.lazy = False
        self._waiting: dict[str, list[torch.Tensor]] = {}

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Note the losses, and read all that wait if this iteration is logged."""
        if not self.lazy:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            return
        for name, value in (outputs or {}).items():
            self.note(runner.message_hub, f'train/{name}', value)
        if _is_logged(self, runner, batch_idx):
            self.read(runner.message_hub)

    def note(self, hub, name: str, value: torch.Tensor | float) -> None:
        """Note a scalar, of a tensor of one element, for the run's message hub."""
        # a new name is read at once: the order of names is that of the log line
        if isinstance(value, torch.Tensor) and name in hub.log_scalars:
            self._waiting.setdefault(name, []).append(value.detach().reshape(()))
        else:
            hub.update_scalar(name, value)

    def read(self, hub) -> None:
        """Hand all that waits to the run's message hub."""
        waiting, self._waiting = self._waiting, {}
        for name, values in waiting.items():
            for value in torch.stack(values).tolist():
                hub.update_scalar(name, value)


@HOOKS.register_module()
class LazyScalarsHook(Hook):
    """Read the losses and the gradient norm when they are logged, not in each iteration.

    What is logged does not change: see :class:`LazyRuntimeInfoHook`, which it needs. Where checkpoints are written by iteration
    it does nothing.

    Args:
        enabled (bool): ``default_hooks = dict(lazy_scalars=dict(enabled=False))`` switches it off. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_train(self, runner) -> None:
        """Have them wait."""
        by_epoch = all(hook.by_epoch for hook in runner.hooks if isinstance(hook, CheckpointHook))
        infos = [hook for hook in runner.hooks if isinstance(hook, LazyRuntimeInfoHook)]
        if not (self.enabled and by_epoch and infos):
            return
        infos[0].lazy = True
        wrapper = runner.optim_wrapper
        if not wrapper.clip_grad_kwargs:
            return
        clip, name = wrapper.clip_func, f'train/{wrapper.grad_name}'

        def clip_and_note(parameters, **kwargs) -> None:
            norm = clip(parameters, **kwargs)
            if norm is not None:
                infos[0].note(runner.message_hub, name, norm)

        # mmengine makes a number of what is returned
        wrapper.clip_func = clip_and_note


@HOOKS.register_module()
class GroupRatesHook(Hook):
    """Record the learning rate of each part of the model, and how much of the backbone is frozen.

    mmengine records the rate of the optimizer's first group as ``lr``. Where a ``paramwise_cfg`` gives the parts rates of their
    own, this adds ``lr/backbone_lr``, ``lr/decode_head_lr``, ..., of each part the rate of its last group. (mmengine's log line
    writes names that end with ``lr`` with an exponent; else 1e-5 reads 0.0000.) Values are those of steps that are logged.
    """

    # before LoggerHook writes (BELOW_NORMAL) and before a scheduler sets the next step's rate (LOW)
    priority = 'NORMAL'

    def before_train(self, runner) -> None:
        """Find one group of the optimizer for each name."""
        model = inner_model(runner.model)
        self._backbone = getattr(model, 'backbone', None)
        self._groups = _named_groups(model, runner.optim_wrapper)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Record, if this step is logged."""
        if not _is_logged(self, runner, batch_idx):
            return
        values = {f'train/lr/{name}_lr': group['lr'] for name, group in self._groups.items()}
        frozen = getattr(self._backbone, 'frozen_stages', None)
        if isinstance(frozen, int):
            values['train/frozen_stages'] = frozen
        # nothing that a checkpoint has to carry: only the newest value is shown
        runner.message_hub.update_scalars(values, resumed=False)


def _named_groups(model, optim_wrapper) -> dict[str, dict]:
    groups = optim_wrapper.optimizer.param_groups
    # the rates before any schedule, which tell groups apart after a resume too
    if len({group.get('initial_lr', group['lr']) for group in groups}) == 1:
        return {}
    parts = {id(p): name.split('.')[0] for name, p in model.named_parameters()}
    return {parts[id(p)]: group for group in groups for p in group['params']}

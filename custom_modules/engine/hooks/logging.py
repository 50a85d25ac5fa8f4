"""Scalars that are read from the device only when they are logged."""

import torch
from mmengine.hooks import CheckpointHook, Hook, LoggerHook, RuntimeInfoHook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class LazyRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, which can leave losses on their device until somebody logs them.

    mmengine's own turns each loss of each iteration into a number at once, and each time a GPU's queue runs empty. Here they wait,
    and come over together when a line is logged or an epoch ends: the same history, in the same order, to the last digit.
    :class:`LazyScalarsHook` switches it on.

    Attributes:
        lazy (bool): Whether they wait. Defaults to False.
    """

    def __init__(self) -> None:
        self.lazy = False
        self._waiting: dict[str, list[torch.Tensor]] = {}

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Note the losses, and read all that wait if this iteration is logged.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Index of the batch in the epoch.
            data_batch (dict, optional): Unused.
            outputs (dict, optional): The losses.
        """
        if not self.lazy:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            return
        for name, value in (outputs or {}).items():
            self.note(runner.message_hub, f'train/{name}', value)
        intervals = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]
        logged = any(self.every_n_inner_iters(batch_idx, interval) for interval in intervals)
        if logged or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self.read(runner.message_hub)

    def note(self, hub, name: str, value: torch.Tensor | float) -> None:
        """Note a scalar.

        Args:
            hub (MessageHub): The run's.
            name (str): The scalar's name.
            value (Tensor | float): Its value; a tensor has one element.
        """
        # a new name is read at once: the order of names is that of the log line
        if self.lazy and isinstance(value, torch.Tensor) and name in hub.log_scalars:
            self._waiting.setdefault(name, []).append(value.detach().reshape(()))
        else:
            hub.update_scalar(name, value)

    def read(self, hub) -> None:
        """Read what waits.

        Args:
            hub (MessageHub): The run's.
        """
        waiting, self._waiting = self._waiting, {}
        for name, values in waiting.items():
            for value in torch.stack(values).tolist():
                hub.update_scalar(name, value)


@HOOKS.register_module()
class LazyScalarsHook(Hook):
    """Read the losses and the gradient norm when they are logged, not in each iteration.

    Reading a number of a GPU waits for all that the GPU still has to do. What is logged does not change: see
    :class:`LazyRuntimeInfoHook`, which it needs. Where checkpoints are written by iteration it does nothing.

    Args:
        enabled (bool): ``default_hooks = dict(lazy_scalars=dict(enabled=False))`` switches it off.
            Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_train(self, runner) -> None:
        """Have them wait.

        Args:
            runner (Runner): The runner of the training process.
        """
        by_epoch = all(hook.by_epoch for hook in runner.hooks if isinstance(hook, CheckpointHook))
        infos = [hook for hook in runner.hooks if isinstance(hook, LazyRuntimeInfoHook)]
        if not (self.enabled and by_epoch and infos):
            return
        infos[0].lazy = True
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, OptimWrapper) and wrapper.clip_grad_kwargs:
            wrapper.clip_func = _noting(wrapper, infos[0], runner.message_hub)


def _noting(wrapper: OptimWrapper, info: LazyRuntimeInfoHook, hub):
    """The clipping function, which notes the norm itself: mmengine makes a number of what is returned."""
    clip, name = wrapper.clip_func, f'train/{wrapper.grad_name}'

    def clip_and_note(parameters, **kwargs) -> None:
        norm = clip(parameters, **kwargs)
        if norm is not None:
            info.note(hub, name, norm)

    return clip_and_note

"""Scalars that are read from the device only when they are logged."""

import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS


class LazyMessageHub(MessageHub):
    """A ``MessageHub`` that leaves scalars on their device until somebody reads them.

    mmengine's own turns each scalar of each iteration into a number at once, and each time a GPU's queue runs empty. Here
    they wait, and come over together when a log line, a checkpoint or anybody else looks: the same history, in
    the same order, to the last digit.
    """

    @classmethod
    def convert(cls, hub: MessageHub) -> None:
        """Turn a hub, which others hold already, into a lazy one.

        Args:
            hub (MessageHub): The hub, changed in place.
        """
        # mmengine finds hubs by the name of an instance that it creates itself
        hub.__class__ = cls
        hub._waiting = {}

    def update_scalar(self, key: str, value, count: int = 1, resumed: bool = True) -> None:
        """Note a scalar.

        Args:
            key (str): Its name.
            value (Tensor | float): Its value; a tensor has one element.
            count (int): For how many it stands. Defaults to 1.
            resumed (bool): Whether a checkpoint carries it. Defaults to True.
        """
        # a new name is read at once: the order of names is that of the log line
        later = isinstance(value, torch.Tensor) and count == 1 and key in self._log_scalars
        if not later:
            self._read(key)
            super().update_scalar(key, value, count, resumed)
            return
        self._set_resumed_keys(key, resumed)
        self._waiting.setdefault(key, []).append(value.detach().reshape(()))

    @property
    def log_scalars(self) -> dict[str, HistoryBuffer]:
        """The history of each name, complete."""
        self._read_all()
        return self._log_scalars

    def get_scalar(self, key: str) -> HistoryBuffer:
        """Look up one history; the others go on waiting.

        Args:
            key (str): Its name.

        Returns:
            HistoryBuffer: The history, complete.
        """
        self._read(key)
        # mmengine's timer asks in each iteration
        return self._log_scalars[key] if key in self._log_scalars else super().get_scalar(key)

    def state_dict(self) -> dict:
        """What a checkpoint carries."""
        self._read_all()
        return super().state_dict()

    def _read_all(self) -> None:
        for key in list(self._waiting):
            self._read(key)

    def _read(self, key: str) -> None:
        for value in (
            torch.stack(waiting).tolist() if (waiting := self._waiting.pop(key, None)) else ()
        ):
            self._log_scalars[key].update(value)


@HOOKS.register_module()
class LazyScalarsHook(Hook):
    """Read the losses and the gradient norm when they are logged, not in each iteration.

    Reading a number of a GPU waits for all that the GPU still has to do. What is logged does not change: see
    :class:`LazyMessageHub`.

    Args:
        enabled (bool): ``default_hooks = dict(lazy_scalars=dict(enabled=False))`` switches it off.
            Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_train(self, runner) -> None:
        """Replace what reads at once.

        Args:
            runner (Runner): The runner of the training process.
        """
        if not self.enabled or isinstance(runner.message_hub, LazyMessageHub):
            return
        LazyMessageHub.convert(runner.message_hub)
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, OptimWrapper) and wrapper.clip_grad_kwargs:
            wrapper.clip_func = _recording(wrapper)


def _recording(wrapper: OptimWrapper):
    """The clipping function, which notes the norm itself: mmengine makes a number of what is returned."""
    clip, key = wrapper.clip_func, f'train/{wrapper.grad_name}'

    def clip_and_note(parameters, **kwargs) -> None:
        norm = clip(parameters, **kwargs)
        if norm is not None:
            wrapper.message_hub.update_scalar(key, norm)

    return clip_and_note

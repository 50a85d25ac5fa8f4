from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS

from .lazy_message_hub import LazyMessageHub


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

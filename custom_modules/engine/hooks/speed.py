"""Memory layout and compilation."""

import gc

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from custom_modules.engine.devices import inner_model
from custom_modules.models.layers import NarrowBatchNorm2d


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights in the channels-last memory layout, in which convolutions of small models are faster, equal up to rounding.

    On a CPU batch norms of few channels are slow in it, and become :class:`NarrowBatchNorm2d`.

    Two parts assume one layout and would silently mix up values. DistributedDataParallel lays out its gradient buckets when it
    wraps a model, so the model is wrapped again. A fused optimizer needs its state in the layout of the weights, also after a
    resume.

    Args:
        enabled (bool): ``default_hooks = dict(channels_last=dict(enabled=False))`` switches it off. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_run(self, runner) -> None:
        """Convert the model once."""
        if not self.enabled:
            return
        NarrowBatchNorm2d.convert(runner.model)
        if not isinstance(runner.model, DistributedDataParallel):
            runner.model.to(memory_format=torch.channels_last)
            return
        model, runner.model = runner.model.module, None
        # removes the old wrapper's gradient hooks
        gc.collect()
        model.to(memory_format=torch.channels_last)
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)

    def before_train(self, runner) -> None:
        """Convert the optimizer's state, which a resume may have loaded, to the layout of the weights."""
        for weight, state in runner.optim_wrapper.optimizer.state.items():
            for name, value in state.items():
                if torch.is_tensor(value) and value.shape == weight.shape and value.stride() != weight.stride():
                    state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


@HOOKS.register_module()
class CompileHook(Hook):
    """Train with the parts of the model compiled by ``torch.compile``; the results are the same up to rounding.

    It needs a C++ compiler on a CPU and Triton on a GPU, and takes a minute or more before the first step, and again when stages
    are unfrozen. Only full training batches run compiled, which avoids compiling for the last one. Names in checkpoints do not
    change. (mmengine's ``compile=True`` compiles the whole step, with logging and optimizer.)

    Args:
        enabled (bool): ``default_hooks = dict(compile=dict(enabled=True))`` switches it on. Defaults to False.
        parts (tuple[str]): Which parts of the model. Defaults to ``('backbone', 'decode_head')``.
        **options: Of ``torch.compile``, such as ``mode='max-autotune-no-cudagraphs'``.
    """

    def __init__(self, enabled: bool = False, parts: tuple[str, ...] = ('backbone', 'decode_head'), **options) -> None:
        self.enabled, self.parts, self.options = enabled, parts, options

    def before_train(self, runner) -> None:
        """Replace ``forward`` of the parts by compiled functions."""
        for part in self._parts_of(runner):
            part.forward = _compiled_for_full_batches(part, runner.train_dataloader.batch_size, self.options)

    def after_train(self, runner) -> None:
        """Restore ``forward`` of the parts."""
        for part in self._parts_of(runner):
            vars(part).pop('forward', None)

    def _parts_of(self, runner) -> list[nn.Module]:
        return [getattr(inner_model(runner.model), name) for name in self.parts] if self.enabled else []


def _compiled_for_full_batches(part: nn.Module, size: int, options: dict):
    uncompiled = part.forward
    compiled = torch.compile(uncompiled, dynamic=False, **options)

    def forward(inputs: Tensor | tuple[Tensor, ...]):
        first = inputs if isinstance(inputs, Tensor) else inputs[0]
        full = part.training and torch.is_grad_enabled() and len(first) == size
        return (compiled if full else uncompiled)(inputs)

    return forward

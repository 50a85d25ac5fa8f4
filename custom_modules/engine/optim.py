"""Optimizer: its wrapper, groups and scheduler, and the average of the weights."""

from contextlib import contextmanager

import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import DefaultOptimWrapperConstructor, OneCycleLR, OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, PARAM_SCHEDULERS
from mmengine.runner.amp import autocast


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """mmengine's ``OptimWrapper`` with the forward pass in bfloat16, on a CPU too.

    mmengine's ``AmpOptimWrapper`` refuses to run without a GPU. Weights, gradients and optimizer stay in float32, and
    bfloat16 has float32's exponents: no loss scale is needed (`A Study of BFLOAT16 <https://arxiv.org/abs/1905.12322>`_).
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module):
        """Compute the forward pass in bfloat16, where torch finds that safe."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield


@PARAM_SCHEDULERS.register_module()
class GroupOneCycleLR(OneCycleLR):
    """One-cycle policy that leads each parameter group to its own rate.

    `Super-Convergence <https://arxiv.org/abs/1708.07120>`_. mmengine's ``OneCycleLR`` leads every group to one ``eta_max``:
    an encoder at a tenth of the rate would train at the head's. Here the peak is the rate that the optimizer gave the group.
    """

    def __init__(self, optimizer, **kwargs) -> None:
        peaks = [group.get('max_lr', group['lr']) for group in optimizer.param_groups]
        super().__init__(optimizer, eta_max=peaks, **kwargs)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedGroupsConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor with one group for all parameters that share their settings.

    With a ``paramwise_cfg`` mmengine's own makes a group of every parameter. A fused optimizer then runs once for each, and takes
    longer than the network of a small classifier on a GPU. Arguments are those of ``DefaultOptimWrapperConstructor``.
    """

    def add_params(self, params, module, prefix: str = '', is_dcn_module=None) -> None:
        """Add the parameters of a module to the groups, and merge them when it is the whole model, whose prefix is empty."""
        super().add_params(params, module, prefix=prefix, is_dcn_module=is_dcn_module)
        if prefix:
            return
        merged = {}
        for group in params:
            settings = {k: v for k, v in group.items() if k != 'params'}
            same = merged.setdefault(repr(sorted(settings.items())), dict(settings, params=[]))
            same['params'] += group['params']
        params[:] = merged.values()


@MODELS.register_module()
class WarmedUpEMA(ExponentialMovingAverage):
    """mmengine's ``ExponentialMovingAverage`` in a few calls of the device, and without random weights in it, for its ``EMAHook``.

    In its first steps it is the plain mean of what there was: the momentum of step ``t`` is the greater of ``momentum`` and
    ``10 / (10 + t)``. Arguments are those of ``ExponentialMovingAverage``, but ``interval`` is not looked at.
    """

    _count: int | None = None

    def load_state_dict(self, state_dict, *args, **kwargs):
        """Load the averages of a checkpoint, and how many steps are in them."""
        self._count = None
        return super().load_state_dict(state_dict, *args, **kwargs)

    @torch.no_grad()
    def update_parameters(self, model: torch.nn.Module) -> None:
        """Take the weights of a step in."""
        # counted on the host too: to read the buffer each step would make the host wait for a GPU
        count = int(self.steps) if self._count is None else self._count
        self._count = count + 1
        momentum = max(self.momentum, 10 / (10 + count))
        moving = list(zip(self.module.parameters(), model.parameters(), strict=True))
        for old, new in zip(self.module.buffers(), model.buffers(), strict=True):
            if old.is_floating_point() and self.update_buffers:
                moving.append((old, new))
            else:
                old.copy_(new)
        averages, sources = zip(*moving, strict=True)
        torch._foreach_lerp_(
            [t.data for t in averages], [t.data.to(a.device) for t, a in zip(sources, averages, strict=True)], momentum
        )
        self.steps += 1

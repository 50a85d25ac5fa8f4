"""Optimizer wrapper, parameter groups, scheduler, and averaged weights."""

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
        """Run the forward pass under bfloat16 autocast."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield


@PARAM_SCHEDULERS.register_module()
class GroupOneCycleLR(OneCycleLR):
    """One-cycle policy (`Super-Convergence <https://arxiv.org/abs/1708.07120>`_) with a peak for each parameter group.

    mmengine's ``OneCycleLR`` has one ``eta_max``: an encoder with a tenth of the head's rate would train at the head's. Here a
    group's peak is the rate that the optimizer gave it.
    """

    def __init__(self, optimizer, **kwargs) -> None:
        super().__init__(optimizer, eta_max=[group.get('max_lr', group['lr']) for group in optimizer.param_groups], **kwargs)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedGroupsConstructor(DefaultOptimWrapperConstructor):
    """mmengine's ``DefaultOptimWrapperConstructor`` with one group for all parameters that share their settings.

    With a ``paramwise_cfg`` mmengine makes a group of every parameter. A fused optimizer then runs once for each, which on a GPU
    takes longer than a small classifier.
    """

    def add_params(self, params, module, prefix: str = '', is_dcn_module=None) -> None:
        """Add the parameters of a module and its children, and in the end, for the model itself, merge the groups."""
        super().add_params(params, module, prefix=prefix, is_dcn_module=is_dcn_module)
        if prefix:
            return
        merged = {}
        for group in params:
            settings = {k: v for k, v in group.items() if k != 'params'}
            merged.setdefault(repr(sorted(settings.items())), dict(settings, params=[]))['params'] += group['params']
        params[:] = merged.values()


@MODELS.register_module()
class WarmedUpEMA(ExponentialMovingAverage):
    """mmengine's ``ExponentialMovingAverage`` with a warm-up, and with few kernel launches, for its ``EMAHook``.

    The momentum of step ``t``, from 0 on, is the greater of ``momentum`` and ``10 / (10 + t)``, so that the random initial
    weights have no part in the average; as in mmengine's ``MomentumAnnealingEMA`` with ``gamma=10``. ``interval`` is ignored.
    """

    _count: int | None = None

    def load_state_dict(self, state_dict, *args, **kwargs):
        """Load the averages and the number of steps from a checkpoint."""
        self._count = None
        return super().load_state_dict(state_dict, *args, **kwargs)

    @torch.no_grad()
    def update_parameters(self, model: torch.nn.Module) -> None:
        """Average in the weights of a step."""
        # counted on the host too, since reading the buffer synchronizes with a GPU
        count = int(self.steps) if self._count is None else self._count
        self._count = count + 1
        momentum = max(self.momentum, 10 / (10 + count))
        moving = list(zip(self.module.parameters(), model.parameters(), strict=True))
        for old, new in zip(self.module.buffers(), model.buffers(), strict=True):
            if old.is_floating_point() and self.update_buffers:
                moving.append((old, new))
            else:
                old.copy_(new)
        averages = [average.data for average, _ in moving]
        sources = [source.data.to(average.device) for average, source in moving]
        torch._foreach_lerp_(averages, sources, momentum)
        self.steps += 1

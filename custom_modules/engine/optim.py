"""Optimizer wrapper and scheduler."""

from contextlib import contextmanager

import torch
from mmengine.optim import OneCycleLR, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, PARAM_SCHEDULERS
from mmengine.runner.amp import autocast


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """mmengine's ``OptimWrapper`` with the forward pass in bfloat16, on a CPU too.

    mmengine's ``AmpOptimWrapper`` refuses to run without a GPU. Weights, gradients and optimizer stay in float32, and
    bfloat16 has float32's exponents, so no gradient gets lost that a loss scale would save. `Mixed Precision Training
    <https://arxiv.org/abs/1710.03740>`_, `A Study of BFLOAT16 <https://arxiv.org/abs/1905.12322>`_.

    Args:
        **kwargs: ``optimizer``, ``accumulative_counts``, ``clip_grad`` of mmengine's ``OptimWrapper``.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(4, 4)
        >>> wrapper = BFloat16OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1))
        >>> with wrapper.optim_context(layer):
        ...     out = layer(torch.ones(1, 4))
        >>> out.dtype, layer.weight.dtype
        (torch.bfloat16, torch.float32)
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module):
        """Compute the forward pass in bfloat16, where torch finds that safe.

        Args:
            model (nn.Module): The model in training.
        """
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield


def cpu_has_bfloat16() -> bool:
    """Whether this machine's processor multiplies bfloat16 by itself (AVX-512 BF16 or AMX); emulated, it is slower than float32."""
    questions = ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    return any(getattr(torch.cpu, question, bool)() for question in questions)


@PARAM_SCHEDULERS.register_module()
class GroupOneCycleLR(OneCycleLR):
    """One-cycle policy that leads each parameter group to its own rate.

    `Super-Convergence <https://arxiv.org/abs/1708.07120>`_. mmengine's ``OneCycleLR`` leads every group to one ``eta_max``,
    so that an encoder at a tenth of the rate would train at the head's. Here the peak is the rate that the
    optimizer gave the group, and the cycle ends where training ends.

    Args:
        optimizer (Optimizer or BaseOptimWrapper): The wrapped optimizer.
        **kwargs: ``pct_start``, ``div_factor``, ``final_div_factor``, ... of mmengine's ``OneCycleLR``.
    """

    def __init__(self, optimizer, **kwargs) -> None:
        peaks = [group.get('max_lr', group['lr']) for group in optimizer.param_groups]
        super().__init__(optimizer, eta_max=peaks, **kwargs)

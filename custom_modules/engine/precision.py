"""Mixed precision: what the machine computes in by itself, and which wrapper of the optimizer that asks for."""

import os
import shutil
from importlib.util import find_spec

import torch
from mmengine import device as devices

from custom_modules.utils.errors import UsageError

# those for which mmengine's AmpOptimWrapper and its autocast are made; they fail elsewhere
AMP_DEVICES = ('cuda', 'npu', 'mlu', 'musa')


def cpu_has_bfloat16() -> bool:
    """Whether this machine's processor multiplies bfloat16 by itself (AVX-512 BF16 or AMX); emulated, it is slower than float32."""
    questions = ('_is_avx512_bf16_supported', '_is_amx_tile_supported')
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def gpu_has_bfloat16() -> bool:
    """Whether the GPU computes in bfloat16 by itself, not by emulation."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def mixed_precision_pays() -> bool:
    """Whether this machine trains faster in mixed precision: on a GPU, or a CPU that has bfloat16."""
    device = devices.get_device()
    return device in AMP_DEVICES or (device == 'cpu' and cpu_has_bfloat16())


def set_mixed_precision(optim_wrapper) -> None:
    """Choose the fastest precision that the hardware computes in by itself.

    Args:
        optim_wrapper (mmengine.ConfigDict): The optimizer's config, changed in place.

    Raises:
        UsageError: If there is none but float32, or another than the hardware's is asked for.
    """
    device = devices.get_device()
    if device == 'cpu':
        if not cpu_has_bfloat16():
            raise UsageError(
                '--amp needs a GPU, or a CPU with AVX-512 BF16 or AMX, and none was found: leave it out to '
                'train in float32, or write --amp auto.'
            )
        # it has neither: bfloat16 it is, and needs no scale
        dtype = optim_wrapper.pop('dtype', None) or 'bfloat16'
        optim_wrapper.pop('loss_scale', None)
        if str(dtype).removeprefix('torch.') != 'bfloat16':
            raise UsageError(
                f'--amp computes in bfloat16 on a CPU, and optim_wrapper.dtype is {dtype}: leave one of the two out.'
            )
        optim_wrapper.type = 'BFloat16OptimWrapper'
        return
    if device not in AMP_DEVICES:
        raise UsageError(
            f'--amp needs one of {", ".join(AMP_DEVICES)} or a CPU that computes in bfloat16, and the device is {device}: '
            'leave it out to train in float32, or write --amp auto.'
        )
    optim_wrapper.type = 'AmpOptimWrapper'
    if gpu_has_bfloat16():
        optim_wrapper.setdefault('dtype', 'bfloat16')
    if optim_wrapper.get('dtype') == 'bfloat16':
        # its exponents are float32's: no gradient gets lost that a scale would save
        optim_wrapper.setdefault('loss_scale', dict(enabled=False))


def speed_advice(cfg) -> str | None:
    """Say in one line what would make a config train faster on this machine; None if there is nothing.

    Args:
        cfg (mmengine.Config): The config, as it is about to run.
    """
    ways = []
    if cfg.optim_wrapper.get('type') == 'OptimWrapper' and mixed_precision_pays():
        ways.append('--amp')
    compiles = (cfg.get('default_hooks') or {}).get('compile')
    if compiles and not compiles.get('enabled') and _can_compile():
        ways.append(
            'in a long run --cfg-options default_hooks.compile.enabled=True (minutes at first)'
        )
    return f'Faster on this machine: {", and ".join(ways)}.' if ways else None


def _can_compile() -> bool:
    if devices.get_device() in AMP_DEVICES:
        return find_spec('triton') is not None
    return shutil.which(os.environ.get('CXX', 'g++')) is not None

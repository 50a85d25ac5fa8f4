"""Distributed processes, and the precisions that the machine supports."""

import os
import shutil
import subprocess
from importlib.util import find_spec

import torch
from mmengine import device as devices
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_cores

# the variables in which each launcher sets rank, world size and local rank
VARIABLES = dict(
    pytorch=('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
)


def require_launcher(launcher: str) -> None:
    """Refuse, with a UsageError, a ``--launcher`` (see :func:`load_config`) that did not start this process."""
    if launcher == 'none':
        # each process would be a run of its own, all writing to one folder
        if 'TORCHELASTIC_RUN_ID' in os.environ and int(os.environ.get('WORLD_SIZE', 1)) > 1:
            raise UsageError(
                f'torchrun started {os.environ["WORLD_SIZE"]} processes, which would not know of each other: add --launcher pytorch.'
            )
        return
    missing = [name for name in VARIABLES[launcher] if name not in os.environ]
    if missing:
        command = dict(pytorch='torchrun', slurm='srun', mpi='mpirun')[launcher]
        raise UsageError(
            f'--launcher {launcher} needs to be started by {command}, which sets {", ".join(missing)}: see '
            'docs/scale.md, or leave it out to run in one process.'
        )


def join_processes(cfg) -> None:
    """Set ``LOCAL_RANK``, and without a GPU initialize the process group with gloo; the config is changed in place.

    mmengine would select a GPU before it initializes the group, which fails without one. It skips what is initialized.
    """
    # mmengine's model wrapper reads LOCAL_RANK, and some launchers do not set it
    os.environ.setdefault('LOCAL_RANK', os.environ[VARIABLES[cfg.launcher][2]])
    if devices.get_device() != 'cpu':
        return
    for name, source in zip(VARIABLES['pytorch'], VARIABLES[cfg.launcher], strict=True):
        os.environ[name] = os.environ[source]
    if cfg.launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        hosts = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        os.environ['MASTER_ADDR'] = subprocess.check_output(hosts, text=True).split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    # mmengine's defaults, except for device_ids
    unused = cfg.get('find_unused_parameters', False)
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False, find_unused_parameters=unused)
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}


def respect_core_limit() -> None:
    """Give torch no more threads than a container's limit allows, of which it does not know; ``OMP_NUM_THREADS`` has precedence."""
    if 'OMP_NUM_THREADS' not in os.environ and torch.get_num_threads() > (cores := available_cores()):
        torch.set_num_threads(cores)


def inner_model(model: nn.Module) -> nn.Module:
    """Return the model inside the wrappers of distributed training and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def cpu_has_bfloat16() -> bool:
    """Whether the CPU has bfloat16 instructions (AVX-512 BF16 or AMX); emulated, bfloat16 is slower than float32."""
    # private, so not in every version of torch
    checks = [getattr(torch.cpu, name, None) for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported')]
    return any(check() for check in checks if check is not None)


def mixed_precision_pays() -> bool:
    """Whether this machine trains faster in mixed precision: on a GPU, or a CPU with bfloat16 instructions."""
    device = devices.get_device()
    return device == 'cuda' or (device == 'cpu' and cpu_has_bfloat16())


def set_mixed_precision(optim_wrapper) -> None:
    """Change an ``optim_wrapper`` config, in place, to the fastest precision that the hardware supports natively.

    Raises a UsageError if that is float32, or the config asks for another than a CPU's bfloat16.
    """
    if not mixed_precision_pays():
        raise UsageError(
            '--amp needs a GPU, or a CPU with AVX-512 BF16 or AMX, and none was found: leave it out to '
            'train in float32, or write --amp auto.'
        )
    if devices.get_device() == 'cpu':
        # BFloat16OptimWrapper takes neither argument
        dtype = optim_wrapper.pop('dtype', None) or 'bfloat16'
        optim_wrapper.pop('loss_scale', None)
        if str(dtype).removeprefix('torch.') != 'bfloat16':
            raise UsageError(
                f'--amp computes in bfloat16 on a CPU, and optim_wrapper.dtype is {dtype}: leave one of the two out.'
            )
        optim_wrapper.type = 'BFloat16OptimWrapper'
        return
    optim_wrapper.type = 'AmpOptimWrapper'
    if torch.cuda.is_bf16_supported(including_emulation=False):
        optim_wrapper.setdefault('dtype', 'bfloat16')
    if optim_wrapper.get('dtype') == 'bfloat16':
        # bfloat16 has float32's exponents, so gradients do not underflow
        optim_wrapper.setdefault('loss_scale', dict(enabled=False))


def precision_of(cfg) -> str:
    """Name the precision of a config's forward pass, and add ``compiled`` if it is."""
    default = dict(AmpOptimWrapper='float16', BFloat16OptimWrapper='bfloat16').get(cfg.optim_wrapper.type, 'float32')
    name = str(cfg.optim_wrapper.get('dtype') or default).removeprefix('torch.')
    return f'{name} compiled' if (cfg.default_hooks.get('compile') or {}).get('enabled') else name


def emulated_precision(cfg) -> str | None:
    """Say in one line that a config trains in bfloat16 where the processor only emulates it; None if it does not."""
    if (cfg.get('optim_wrapper') or {}).get('type') != 'BFloat16OptimWrapper' or mixed_precision_pays():
        return None
    return 'Slow: this processor emulates bfloat16 at a tenth of the speed: leave optim_wrapper.type=BFloat16OptimWrapper out.'


def speed_advice(cfg) -> str | None:
    """Say in one line what would make a config, as it is about to run, train faster on this machine; None if nothing."""
    if slow := emulated_precision(cfg):
        return slow
    ways = []
    if cfg.optim_wrapper.get('type') == 'OptimWrapper' and mixed_precision_pays():
        ways.append('--amp')
    compiles = (cfg.get('default_hooks') or {}).get('compile')
    # torch.compile needs Triton on a GPU and a C++ compiler on a CPU; on one with bfloat16 it gains nothing
    cuda, compiler = devices.get_device() == 'cuda', shutil.which(os.environ.get('CXX', 'g++'))
    tool = find_spec('triton') if cuda else compiler and not cpu_has_bfloat16()
    if compiles and not compiles.get('enabled') and tool:
        ways.append('in a long run --cfg-options default_hooks.compile.enabled=True (minutes at first)')
    return f'Faster on this machine: {", and ".join(ways)}.' if ways else None

"""Several processes."""

import os
import subprocess

from custom_modules.utils.errors import UsageError

# what each launcher tells a process: its rank, their number, its place on this machine
VARIABLES = dict(
    pytorch=('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
)


def require_launcher(launcher: str) -> None:
    """Refuse a ``--launcher`` that does not fit what started this process.

    Args:
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        UsageError: If nothing launched this process, or torchrun did and the flag is missing: each of its processes
            would be a run of its own, all writing to one folder.
    """
    if launcher == 'none':
        if 'TORCHELASTIC_RUN_ID' in os.environ and int(os.environ.get('WORLD_SIZE', 1)) > 1:
            raise UsageError(
                f'torchrun started {os.environ["WORLD_SIZE"]} processes, which would not know of each other: '
                'add --launcher pytorch.'
            )
        return
    missing = [name for name in VARIABLES[launcher] if name not in os.environ]
    if missing:
        command = dict(pytorch='torchrun', slurm='srun', mpi='mpirun')[launcher]
        raise UsageError(
            f'--launcher {launcher} needs to be started by {command}, which sets {", ".join(missing)}: see '
            'docs/scale.md, or leave it out to run in one process.'
        )


def is_first_process(launcher: str) -> bool:
    """Whether this process is the one that writes the run's files, by what its launcher told it.

    Args:
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
    """
    return launcher == 'none' or int(os.environ[VARIABLES[launcher][0]]) == 0


def join_without_gpu(cfg) -> None:
    """Join the other processes through gloo, and have mmengine's runner find it done.

    mmengine selects a GPU for each process before it joins, and hands its number to the model's wrapper. On a machine
    without one both fail.

    Args:
        cfg (mmengine.Config): The config with its ``launcher``, changed in place.
    """
    import torch.distributed as dist

    for name, found in zip(VARIABLES['pytorch'], VARIABLES[cfg.launcher], strict=True):
        os.environ[name] = os.environ[found]
    if cfg.launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        hosts = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        os.environ['MASTER_ADDR'] = subprocess.check_output(hosts, text=True).split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')
    if not dist.is_initialized():
        dist.init_process_group('gloo')
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    # what mmengine sets by itself where the config says nothing; only the device differs
    unused = cfg.get('find_unused_parameters', False)
    wrapper = dict(
        type='MMDistributedDataParallel', broadcast_buffers=False, find_unused_parameters=unused
    )
    cfg.model_wrapper_cfg = wrapper | (cfg.get('model_wrapper_cfg') or {}) | dict(device_ids=None)

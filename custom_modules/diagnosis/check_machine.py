import shutil
from pathlib import Path

from custom_modules.utils.machine import available_cores, available_memory

from .finding import Finding

GIB = 2**30
SHARED = Path('/dev/shm')
# the main process of configs/unet_backbone_frozen.py alone takes 1.2 GB, and three load data
LEAST_MEMORY = 3 * GIB
LEAST_SHARED = GIB // 4


def check_machine() -> list[Finding]:
    """Look at processor cores, memory and shared memory.

    Returns:
        list[Finding]: Warnings, or one line with the numbers.
    """
    cores = available_cores()
    memory, found = available_memory(), []
    if memory is not None and memory < LEAST_MEMORY:
        text = f'only {memory / GIB:.1f} GiB of memory are free: a run may be killed without a word'
        remedy = (
            'close other programs, or smaller batches: --cfg-options train_dataloader.batch_size=2'
        )
        found.append(Finding('warning', text, remedy))
    if SHARED.is_dir() and (shared := shutil.disk_usage(SHARED).free) < LEAST_SHARED:
        text = f'{SHARED} has {shared / 2**20:.0f} MiB left: data loaders with processes of their own die with "Bus error"'
        remedy = (
            'docker run --shm-size=2g ..., or --cfg-options train_dataloader.num_workers=0 '
            'train_dataloader.persistent_workers=False'
        )
        found.append(Finding('warning', text, remedy))
    known = '' if memory is None else f', {memory / GIB:.1f} GiB of memory free'
    return found or [Finding('ok', f'{cores} processor cores{known}')]

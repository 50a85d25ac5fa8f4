import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from custom_modules.utils.machine import available_cores

PACKAGES = (
    'torch',
    'torchvision',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmpretrain',
    'onedl-mmsegmentation',
    'opencv-python',
    'numpy',
    'segmentation-models-pytorch',
)


def machine_facts(threads: int) -> dict:
    """Describe the machine and the software that numbers were measured with.

    Args:
        threads (int): Torch's threads.
    """
    return dict(
        cpu=_cpu(),
        cores=available_cores(),
        # what other programs did when it began
        load=list(os.getloadavg()) if hasattr(os, 'getloadavg') else None,
        threads=threads,
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        system=platform.platform(),
        python=platform.python_version(),
        torch_build=f'{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, CUDA {torch.version.cuda}',
        versions={name: _version(name) for name in PACKAGES},
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
    )


def _cpu() -> str:
    info = Path('/proc/cpuinfo')
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

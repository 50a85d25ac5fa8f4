import shutil
from pathlib import Path

from .finding import Finding
from .pip_command import pip_command

# run in another process: a broken driver may take it down
CUDA_CODE = """
import torch
result = dict(cuda=torch.version.cuda, available=torch.cuda.is_available(), gpus=[], mps=False, why='')
if result['available']:
    for i in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(i)
        result['gpus'].append(f'{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)')
    torch.ones(1, device='cuda').add(1).item()
elif result['cuda']:
    try:
        torch.cuda.init()
    except Exception as error:
        result['why'] = str(error).strip().splitlines()[0]
if hasattr(torch.backends, 'mps'):
    result['mps'] = torch.backends.mps.is_available()
"""


def check_devices(outcome: dict, driver: bool | None = None) -> list[Finding]:
    """Say what training will run on.

    Args:
        outcome (dict): What :func:`try_steps` found for ``CUDA_CODE``, with a torch that can be imported.
        driver (bool, optional): Whether there is an NVIDIA driver. Looked up by default.

    Returns:
        list[Finding]: A problem where a GPU is there but fails, a warning where a driver is there but torch cannot use
        it; no GPU at all is fine.
    """
    if driver is None:
        driver = Path('/proc/driver/nvidia/version').exists() or bool(shutil.which('nvidia-smi'))
    cpu = 'training runs on the CPU'
    if 'error' in outcome:
        remedy = (
            'look at `nvidia-smi`, or hide the GPU: CUDA_VISIBLE_DEVICES= python tools/train.py ...'
        )
        return [Finding('problem', f'the GPU cannot be used: {outcome["error"]}', remedy)]
    found = outcome['result']
    if found['gpus']:
        text = f'GPU: {", ".join(found["gpus"])}, torch built for CUDA {found["cuda"]}'
        return [Finding('ok', text)]
    if found['mps']:
        return [Finding('ok', "Apple's GPU (MPS) is there, and mmengine selects it")]
    if driver and not found['cuda']:
        text = f'there is an NVIDIA driver, but this torch is built for the CPU only: {cpu}'
        return [Finding('warning', text, pip_command(uninstall=('torch', 'torchvision')))]
    if driver:
        text = f'there is an NVIDIA driver, but torch cannot use it ({found["why"]}): {cpu}'
        remedy = f'a driver for CUDA {found["cuda"]}, or a torch for the driver at hand'
        return [Finding('warning', text, remedy)]
    build = f'built for CUDA {found["cuda"]}' if found['cuda'] else 'built for the CPU'
    return [Finding('ok', f'no GPU is needed and none was found (torch {build}): {cpu}')]

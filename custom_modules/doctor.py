"""Diagnoses an installation; this process itself imports the standard library only, and ``packaging`` if it is there."""

import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY, find_data
from custom_modules.utils.machine import available_cores, available_memory, installed_version

try:
    from packaging.requirements import Requirement
except ImportError:
    Requirement = None

GIB = 2**30
LEVELS = ('problem', 'warning', 'ok', 'info')
# other distributions that provide the same import name
STAND_INS = {
    'onedl-mmengine': ('mmengine',),
    'onedl-mmcv': ('mmcv', 'mmcv-lite'),
    'onedl-mmsegmentation': ('mmsegmentation',),
    'onedl-mmpretrain': ('mmpretrain',),
    'opencv-python': ('opencv-contrib-python', 'opencv-python-headless'),
}
# import names, each after those that it depends on
PACKAGES = (
    'numpy', 'matplotlib', 'PIL', 'pycocotools', 'rich', 'filelock', 'jinja2', 'packaging', 'pandas', 'scipy',
    'skimage', 'cv2', 'torch', 'torchvision', 'tensorboard', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain',
)  # fmt: skip
STEPS = {name: f'import {name}' for name in PACKAGES} | {
    # its import alone succeeds even where it does not match torch
    'torchvision': 'import torch, torchvision\ntorchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)',
    'custom_modules': 'import custom_modules.segmentation, custom_modules.classification',
}
DEVICES = """
import torch
from mmengine.utils.dl_utils import collect_env
gpus = [f'{v} ({k})' for k, v in collect_env().items() if k.startswith('GPU')]
result = dict(cuda=torch.version.cuda, gpus=gpus, mps=torch.backends.mps.is_available(), why='')
if gpus:
    torch.ones(1, device='cuda').add(1).item()
elif result['cuda']:
    try:
        torch.cuda.init()
    except Exception as error:
        result['why'] = str(error).strip().splitlines()[0]
"""
# by environment variable: its default, and the arguments of tools/prepare_data.py that make such data
DATA = {
    'MOON_DATA': ('data/MOON_SEGMENTATION_BINARY', 'synthetic, then MOON_DATA=data/moon_synthetic'),
    'MOON_MULTICLASS_DATA': ('data/MOON_SEGMENTATION_MULTICLASS', 'lunar SRC'),
    'TINY_IMAGENET': ('data/tiny-imagenet-200', 'tiny-imagenet ARCHIVE'),
}
UNSAFE = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
SHARED = Path('/dev/shm')
# the main process of configs/unet_backbone_frozen.py takes 1.2 GB, and there are three data loader workers
LEAST_MEMORY, LEAST_SHARED, LEAST_DISK = 3 * GIB, GIB // 4, 2 * GIB


class Finding(NamedTuple):
    """The result of one check: its level, one of ``LEVELS``, a sentence, and a remedy."""

    level: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        return f'{self.level:<8} {self.text}' + (f'\n{"":8} -> {self.remedy}' if self.remedy else '')


def diagnose() -> list[Finding]:
    """Check the installation that this process runs in, with imports in another one; problems come first."""
    outcomes, owners = try_steps(STEPS | {'devices': DEVICES}), package_owners()
    devices = outcomes.pop('devices')
    found = [
        Finding('ok', f'Python {platform.python_version()} ({sys.executable}) on {sys.platform}'),
        *check_requirements(REPOSITORY / 'requirements.txt'),
        *check_owners(owners),
        *check_machine(),
        *check_folder(Path('work_dirs'), 'runs'),
        *check_folder(REPOSITORY / 'data', 'data'),
        *check_folder(Path(tempfile.gettempdir()), 'temporary files'),
        *check_environment(os.environ),
        *check_imports(outcomes, missing=set(PACKAGES) - set(owners)),
        *(() if 'error' in outcomes['mmengine'] else check_devices(devices)),
    ]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def pip_command(*uninstall: str) -> str:
    """Return the command that installs the requirements, after uninstalling distributions that overwrote each other's files."""
    pip = f'{shlex.quote(sys.executable)} -m pip'
    remove = f'{pip} uninstall -y {" ".join(uninstall)} && ' if uninstall else ''
    return f'{remove}{pip} install -r requirements.txt -c constraints.txt'


def check_requirements(file: Path) -> list[Finding]:
    """Compare the installed versions with the ranges of a requirements file."""
    lines = [line.strip() for line in re.findall(r'^\w[^#\n]*', file.read_text(), re.MULTILINE)]
    found, good, missing = [], [], []
    for line in lines:
        name = re.match(r'[\w.-]+', line).group()
        installed, asked = installed_version(name), f'{file.name} asks for {line}'
        if installed is None and (other := next(filter(installed_version, STAND_INS.get(name, ())), None)):
            text = f'{name} is not installed, {other} {installed_version(other)} stands in for it, but {asked}'
            remedy = f'docs/install.md says what was run with others; or {pip_command(other)}'
            found.append(Finding('warning', text, remedy))
        elif installed is None:
            missing.append(line)
        elif Requirement and Requirement(line).specifier.contains(installed, prereleases=True):
            good.append(f'{name} {installed}')
        elif Requirement:
            found.append(Finding('problem', f'{name} {installed} is out of its range: {asked}', pip_command()))
    share = f'of {len(lines)} packages of {file.name} are'
    if missing:
        text = f'{len(missing)} {share} not installed: {", ".join(missing)}'
        found.insert(0, Finding('problem', text, pip_command()))
    if good:
        found.append(Finding('ok', f'{len(good)} {share} in their ranges: {", ".join(good)}'))
    return found


def package_owners() -> dict[str, list[tuple[str, str]]]:
    """Find name and version of the distributions that provide each package, in the first folder of the path that has it."""
    folders, owners = {}, {}
    for found in distributions():
        folder, owner = str(found.locate_file('')), (found.metadata['Name'], found.version)
        if not owner[0]:
            # an interrupted pip leaves folders without a name
            continue
        names = (found.read_text('top_level.txt') or '').split()
        files = '' if names else '\n' + (found.read_text('RECORD') or '')
        for package in PACKAGES:
            provides = package in names or f'\n{package}/__init__.py,' in files
            # a folder may be on the path twice
            if provides and folders.setdefault(package, folder) == folder and owner not in owners.get(package, []):
                owners.setdefault(package, []).append(owner)
    return owners


def check_owners(owners: Mapping[str, list[tuple[str, str]]]) -> list[Finding]:
    """Look for packages that several distributions provide, such as ``mmcv`` and ``onedl-mmcv``, which pip allows."""
    found = []
    for package, listed in owners.items():
        if len(listed) > 1:
            text = f'{package} belongs to {" and ".join(f"{name} {number}" for name, number in listed)}'
            harmless = package == 'cv2' and len({number for _, number in listed}) == 1
            level, meaning = ('warning', 'is harmless') if harmless else ('problem', 'have overwritten each other')
            remedy = pip_command(*dict.fromkeys(name for name, _ in listed))
            found.append(Finding(level, f'{text}, which {meaning}', remedy))
    return found or [Finding('ok', 'no package that is imported has two owners')]


def check_machine() -> list[Finding]:
    """Check memory and shared memory, and count the processor cores."""
    memory, found = available_memory(), []
    if memory is not None and memory < LEAST_MEMORY:
        text = f'only {memory / GIB:.1f} GiB of memory are free: a run may be killed without a word'
        found.append(Finding('warning', text, 'close other programs, or --cfg-options train_dataloader.batch_size=2'))
    if SHARED.is_dir() and (shared := shutil.disk_usage(SHARED).free) < LEAST_SHARED:
        text = f'{SHARED} has {shared / 2**20:.0f} MiB left: data loaders with workers die with "Bus error"'
        option = '--cfg-options train_dataloader.num_workers=0 train_dataloader.persistent_workers=False'
        found.append(Finding('warning', text, f'docker run --shm-size=2g ..., or {option}'))
    known = '' if memory is None else f', {memory / GIB:.1f} GiB of memory free'
    return found or [Finding('ok', f'{available_cores()} processor cores{known}')]


def check_folder(folder: Path, what: str) -> list[Finding]:
    """Check that a folder, or its nearest parent that exists, can be written to and has enough space."""
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(p))
    elsewhere = 'write elsewhere with --work-dir, --out or TMPDIR, or change the permissions'
    try:
        # permissions alone do not tell of a read-only disk
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b'0')
    except OSError as error:
        why = f'{place}: {error.strerror or error}' if place.is_dir() else f'{place} is no folder'
        return [Finding('problem', f'{what} cannot be written: {why}', elsewhere)]
    free = shutil.disk_usage(place).free
    text = f'{what} can be written to {folder}, {free / GIB:.1f} GiB free'
    if free < LEAST_DISK:
        return [Finding('warning', f'{text}: less than {LEAST_DISK / GIB:g} GiB', elsewhere)]
    return [Finding('ok', text)]


def check_environment(environ: Mapping[str, str]) -> list[Finding]:
    """Check the environment variables that this project reads, and the data folders that they name."""
    found = []
    for name, (default, arguments) in DATA.items():
        value, remedy = environ.get(name), f'python tools/prepare_data.py {arguments}'
        stated = f'{name}={value}' if value else f'{name} is not set, the default {default}'
        try:
            found.append(Finding('ok', f'{stated}: {find_data(value or default, "it", "x")}'))
        except UsageError:
            remedy = f'correct or unset it; such a set is made by {remedy}' if value else remedy
            found.append(Finding('problem' if value else 'info', f'{stated}: there is no such folder', remedy))
    if environ.get(UNSAFE, '0').lower() in ('1', 'y', 'yes', 'true'):
        text = f'{UNSAFE} is set, but this project loads checkpoints as data only: torch refuses to load anything'
        found.append(Finding('problem', text, f'unset {UNSAFE}'))
    return found


def check_imports(outcomes: Mapping[str, dict], missing: Iterable[str]) -> list[Finding]:
    """Report the imports that :func:`try_steps` tried; missing packages have been reported by :func:`check_requirements`."""
    found, fine = {}, []
    for package, outcome in outcomes.items():
        error = outcome.get('error')
        absent = re.search("No module named '([^'.]+)", error or '')
        if error is None:
            fine.append(package)
        # packages that need a broken one fail with the same error
        elif error not in found and not (absent and absent[1] in missing):
            remedy = f'{pip_command()} --force-reinstall'
            if 'libGL' in error or 'libgthread' in error:
                remedy = 'apt-get install libgl1 libglib2.0-0, or the like on this system'
            elif 'torchvision::nms' in error:
                remedy = pip_command('torch', 'torchvision')
            elif 'did not end within' in error:
                remedy = 'run this again when the machine has less to do'
            found[error] = Finding('problem', f'{package} cannot be imported: {error}', remedy)
    return [*found.values(), Finding('ok', f'can be imported: {", ".join(fine) or "nothing"}')]


def check_devices(outcome: dict) -> list[Finding]:
    """Report what training will run on, from the outcome of ``DEVICES`` in :func:`try_steps`; no GPU is needed."""
    if 'error' in outcome:
        return [Finding('problem', f'the GPU cannot be used: {outcome["error"]}', 'hide it: export CUDA_VISIBLE_DEVICES=')]
    cuda, gpus, mps, why = (outcome['result'][key] for key in ('cuda', 'gpus', 'mps', 'why'))
    built = f'torch is built for CUDA {cuda}' if cuda else 'torch is built for the CPU only'
    if gpus or mps:
        return [Finding('ok', f'{", ".join(gpus) or "the GPU of Apple (MPS)"}; {built}')]
    if Path('/proc/driver/nvidia/version').exists() or shutil.which('nvidia-smi'):
        text = f'there is an NVIDIA driver, but {why or built}: training runs on the CPU'
        remedy = f'a driver for CUDA {cuda}, or a torch for the driver at hand'
        return [Finding('warning', text, remedy if cuda else pip_command('torch', 'torchvision'))]
    return [Finding('ok', f'no GPU was found, and none is needed ({built}): the CPU is used')]


MARK, PATIENCE = '@@step ', 120  # seconds for one process: from a cold disk importing torch alone takes 30
CHILD = f"""
import json, sys, warnings
warnings.simplefilter('ignore')
sys.path.insert(0, sys.argv[2])
for name, code in json.loads(sys.argv[1]).items():
    try:
        exec(code, names := dict())
        outcome = dict(result=names.get('result'))
    except BaseException as error:
        outcome = dict(error=type(error).__name__ + ': ' + (str(error).strip().splitlines() or [''])[0])
    print({MARK!r} + json.dumps([name, outcome]), flush=True)
"""


def try_steps(steps: Mapping[str, str]) -> dict[str, dict]:
    """Run named pieces of Python in another process, which may crash: each gives ``result`` (for JSON) or ``error``."""
    outcomes = {}
    while left := {name: code for name, code in steps.items() if name not in outcomes}:
        command = [sys.executable, '-c', CHILD, json.dumps(left), str(REPOSITORY)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
            output, code = done.stdout, done.returncode
            how = signal.Signals(-code).name if code < 0 else f'exit code {code}'
            death = f'the process died with {how}'
        except subprocess.TimeoutExpired as slow:
            output = slow.stdout or b''
            # where others ended in time, the machine is slow: the rest gets a process of its own
            death = '' if MARK.encode() in output else f'it did not end within {PATIENCE} s'
        lines = output.decode(errors='replace').splitlines()
        outcomes |= (json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK))
        if death and (broken := next((name for name in left if name not in outcomes), None)):
            outcomes[broken] = {'error': death}
    return outcomes

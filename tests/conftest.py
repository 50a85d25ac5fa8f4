"""Generated data and short runs that the tests share."""

import gc
import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

# tests run in one process per core, as do the commands they start: more threads would only wait for each other
os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
import pytest
from pictures import save
from yapf.yapflib import yapf_api

# they write and remove thousands of files, which in memory is quick; compiled networks stay where other runs find them
if 'TMPDIR' not in os.environ and os.path.isdir('/dev/shm') and shutil.disk_usage('/dev/shm').free > 4 * 2**30:
    os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', f'{tempfile.gettempdir()}/torchinductor_tests')
    os.environ['TMPDIR'] = tempfile.tempdir = '/dev/shm'
REPOSITORY = Path(__file__).resolve().parents[1]
WNIDS = ['n00000001', 'n00000002', 'n00000003']
# clusters are set up for real, which takes minutes: only where they are asked for
if os.environ.get('CLUSTER_TESTS') != '1':
    collect_ignore_glob = ['cluster/test_*.py']
# what a tool imports from beside it, when a test runs it in this process
sys.path.append(str(REPOSITORY / 'tools'))


# mmengine formats one config up to seven times in a run, a third of a second each; it reads the same as it is
yapf_api.FormatCode = lambda text, **options: (text, True)


def fresh_process() -> None:
    """What makes one run after the other in this process quick, and independent."""
    from mmengine.registry import DefaultScope
    from mmengine.utils import ManagerMixin

    # mmengine collects garbage with each data set: what the libraries hold need not be looked through again
    gc.freeze()
    scope = DefaultScope.get_current_instance()
    # loggers, hubs, visualizers and scopes are found by config and second: a run would share those of one that began in the same
    waiting = [ManagerMixin]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        kind._instance_dict.clear()
    if scope is not None:
        # the scope stays, under a name that no run has
        DefaultScope.get_instance('before', scope_name=scope.scope_name)


def pytest_collection_modifyitems(items) -> None:
    """Faults first: they fork trainings, which torch refuses in a process where other tests have used its threads. Then what is long."""
    order = ('faults/test_killing', 'faults/', 'test_configs', 'test_export', 'test_command_line', 'test_two_proc', 'test_sweep')
    items.sort(key=lambda item: next((i for i, part in enumerate(order) if part in item.nodeid), len(order)))


def pytest_unconfigure() -> None:
    """What ``fresh_process`` froze is to be let go, or the libraries complain of leaks."""
    gc.unfreeze()


@pytest.fixture(scope='session')
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def segmentation() -> None:
    """What a segmentation run registers, under its scope."""
    from mmengine.registry import init_default_scope

    import custom_modules.segmentation  # noqa: F401

    init_default_scope('mmseg')


@pytest.fixture
def decodes(monkeypatch):
    """A function that counts the files which an act makes this process decode."""
    from custom_modules.datasets import samples, transforms

    read = []

    def decoded_by(act) -> int:
        before = len(read)
        act()
        return len(read) - before

    for module, name in ((samples, 'read_image'), (transforms, 'read_mask')):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, real=real: read.append(1) or real(*given))
    return decoded_by


@pytest.fixture
def hub(request):
    """A run that trains, with seed 3 at iteration 5, in the scope that a module names as its ``SCOPE``."""
    from mmengine.logging import MessageHub
    from mmengine.registry import init_default_scope

    init_default_scope(request.module.SCOPE)
    hub = MessageHub.get_current_instance()
    with mock.patch.dict(hub.runtime_info, loop_stage='train', seed=3, iter=5):
        yield hub


def write_pair(root: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for folder, prefix, array in (('render', 'render', image), ('ground', 'ground', mask)):
        save(root / 'images' / folder / f'{prefix}{name}.png', array)


def make_moon(root: Path, count: int = 10, size: int = 64) -> Path:
    """Bright squares on dark noise: what a network can learn in a few steps."""
    rng = np.random.default_rng(0)
    for i in range(count):
        image = rng.integers(20, 90, (size, size, 3), dtype=np.uint8)
        mask = np.zeros((size, size), np.uint8)
        for y, x in rng.integers(4, size - 20, (2, 2)):
            mask[y : y + 14, x : x + 14] = 255
        image[mask > 0] += 140
        write_pair(root, f'{i:04d}', image, mask)
    return root


@pytest.fixture
def moon(tmp_path: Path, monkeypatch) -> Path:
    """Ten pairs, to which the environment leads."""
    monkeypatch.setenv('MOON_DATA', str(tmp_path / 'moon'))
    return make_moon(tmp_path / 'moon')


def make_tiny_imagenet(root: Path, wnids: list[str]) -> Path:
    """The archive's layout: 6 training and 2 validation images of each class, in its own colour."""
    rng, rows = np.random.default_rng(0), []
    for label, wnid in enumerate(wnids):
        for i in range(6):
            colour = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            colour[..., label % 3] += 150
            save(root / 'train' / wnid / 'images' / f'{wnid}_{i}.JPEG', colour)
            if i < 2:
                name = f'val_{len(rows)}.JPEG'
                save(root / 'val' / 'images' / name, colour)
                rows.append(f'{name}\t{wnid}\t0\t0\t62\t62')
    (root / 'val' / 'val_annotations.txt').write_text('\n'.join(rows) + '\n')
    (root / 'wnids.txt').write_text('\n'.join(reversed(wnids)) + '\n')
    names = {'n00000001': 'red, crimson', 'n00000002': 'green', 'n99999999': 'unused'}
    (root / 'words.txt').write_text(''.join(f'{w}\t{n}\n' for w, n in names.items()))
    return root


@pytest.fixture
def tiny_imagenet(tmp_path: Path, monkeypatch) -> Path:
    """Three classes of images, to which the environment leads."""
    monkeypatch.setenv('TINY_IMAGENET', str(tmp_path / 'tiny-imagenet-200'))
    return make_tiny_imagenet(tmp_path / 'tiny-imagenet-200', WNIDS)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Ten pairs and three classes of images, to which the environment leads the runs of a module."""
    root = tmp_path_factory.mktemp('data')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MOON_DATA', str(make_moon(root / 'moon')))
        patch.setenv('TINY_IMAGENET', str(make_tiny_imagenet(root / 'tiny', WNIDS)))
        yield root


def run_tool(name: str, *arguments: object) -> int:
    """Run a tool in this process, as from the command line; returns its exit code."""
    fresh_process()
    before, sys.argv = sys.argv, [name, *map(str, arguments)]
    try:
        runpy.run_path(str(REPOSITORY / 'tools' / name), run_name='__main__')
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = before
    return 0


def run_python(*command: object, code: int = 0, cwd: Path = REPOSITORY, **variables: object) -> subprocess.CompletedProcess:
    """Run Python in a process of its own, which must end by itself, with this exit code; it holds what was said."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    command = [sys.executable, *map(str, command)]
    done = subprocess.run(command, cwd=cwd, env=environment, timeout=300, capture_output=True, text=True)
    assert done.returncode == code, done.stderr[-2000:]
    return done


def free_port() -> int:
    """Find a port of this machine that nobody listens at."""
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


@pytest.fixture
def tool():
    return run_tool


@pytest.fixture
def refused(capsys):
    """A function that requires a tool to end with exit code 2, and one line that says some words."""

    def require(words: str, *command: object) -> None:
        assert run_tool(*command) == 2
        # argparse's own begin with the tool's name
        (line,) = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
        assert words in line

    return require


def write_config(path: Path, base: str, text: str = '') -> Path:
    """Write a config of one base in ``configs/`` and further lines."""
    path.write_text(f"_base_ = ['{REPOSITORY.as_posix()}/configs/{base}.py']\n{text}")
    return path


def logged(work_dir: Path) -> list[dict]:
    """All rows of scalars that the starts of a run have logged."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def small(tmp_path) -> Path:
    """A config of two epochs and nothing to train, to plan sweeps with."""
    from mmengine.config import Config

    hook = dict(type='CheckpointAfterValHook', save_best='rock_Dice', rule='greater')
    parts = dict(train_cfg=dict(max_epochs=2), default_hooks=dict(checkpoint=hook))
    Config(dict(parts, randomness=dict(seed=0))).dump(tmp_path / 'small.py')
    return tmp_path / 'small.py'


@pytest.fixture(scope='module')
def browser():
    """Chromium; tests are skipped where there is none."""
    from chromium import open_chromium

    with open_chromium() as chromium:
        yield chromium


@pytest.fixture(scope='session')
def small_onnx(tmp_path_factory) -> Path:
    """A small segmentor as an .onnx file; tests are skipped where onnx is not installed."""
    from small_onnx import write_small_onnx

    return write_small_onnx(tmp_path_factory.mktemp('model') / 'small.onnx')


def loader_options(**values) -> list[str]:
    """``--cfg-options`` for all three data loaders, without worker processes."""
    settings = {'num_workers': 0, 'persistent_workers': False, **values}.items()
    return [f'{part}_dataloader.{key}={value}' for part in ('train', 'val', 'test') for key, value in settings]


AT_64 = loader_options(**{'dataset.load_size': '(64,64)'})
MOON_OPTIONS = [*AT_64, 'train_dataloader.batch_size=4', 'train_cfg.max_epochs=1']


@pytest.fixture
def untrained(moon, tmp_path, segmentation) -> tuple[Path, Path, list[str]]:
    """Config, weights and options of a small segmentor that has learnt nothing, beside its data."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS

    config, weights = REPOSITORY / 'configs' / 'unet_baseline.py', tmp_path / 'tiny.pth'
    model = dict(Config.fromfile(config).model, backbone=dict(type='UNetEncoder', widths=(4, 8)))
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), weights)
    return config, weights, [*AT_64, 'model.backbone.widths=(4,8)']


@pytest.fixture(scope='session')
def runs(tmp_path_factory) -> list[Path]:
    """Work dirs for a report: three arms, one of two seeds; four that cannot be compared; a classifier."""
    from report_runs import make_run

    root = tmp_path_factory.mktemp('runs')
    wnids = ['n07583066', 'n07615774', 'n07871810', 'n09332890']
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MOON_DATA', str(make_moon(root / 'moon', count=40)))
        patch.setenv('TINY_IMAGENET', str(make_tiny_imagenet(root / 'tiny', wnids)))
        at_64 = {f'{p}_dataloader.dataset.load_size': (64, 64) for p in ('train', 'val', 'test')}
        small = {'model.backbone.widths': [4, 8, 8, 8, 8]}
        plain = small | at_64
        made = [
            *(make_run(root, 'unet_baseline', seed, **plain) for seed in (0, 1)),
            make_run(root, 'unet_backbone_scratch', 0, **at_64),
            # a name is data: it must not become part of a page
            make_run(root, 'unet_baseline', 0, name='<b>bold', **at_64, **{'model.backbone.widths': [4] * 5}),
            make_run(root, 'unet_baseline', 2, epochs=1, name='unfinished', weights=False, **plain),
            make_run(root, 'unet_baseline', 3, name='broken', weights=False, **plain),
            make_run(root, 'unet_baseline', 4, name='other_size', **small),
            make_run(root, 'reference/report2_simple_net_classifier', 0),
        ]
    (root / 'broken' / 'best_rock_Dice_epoch_1.pth').write_bytes(b'no checkpoint')
    (root / 'no_run').mkdir()
    return [*made, root / 'no_run']


@pytest.fixture(scope='session')
def report(runs, tmp_path_factory) -> Path:
    """A report on them, as the tool writes it."""
    out = tmp_path_factory.mktemp('out') / 'report'
    assert run_tool('report.py', *runs, '-o', out, '--images', '3') == 0
    return out

"""What a user gets wrong on the command line ends in one line and exit code 2; every tool answers at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY

from custom_modules.models.backbones import MoonNet


@pytest.fixture
def baseline(repository):
    return repository / 'configs' / 'unet_baseline.py'


def one_line(capsys) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['configs/unet_baselin.py'], 'there is no config configs/unet_baselin.py'),
        # a file that is none
        (['README.md'], 'README.md: choose a file of configs/'),
        (['--resume', 'best.pth'], 'there is no checkpoint best.pth'),
        (['randomnes.seed=1'], 'randomnes.seed would change nothing'),
        (['load_size=(256,256)'], 'load_size would change nothing'),
        (['val_dataloader.dataset.ann_file=val.txt'], 'ann_file and val_fraction=0.2'),
        (['train_cfg'], 'a setting is written KEY=VALUE'),
        (['load_size=(256,256'], 'every bracket and quote has to close'),
        (["model.decode_head.loss_decode=[dict(type='BinaryDiceLoss')]"], 'not a dict'),
        (["vis_backends=[1, {'a':2}]"], 'not a dict'),
        # before anything is built: there is not even data
        (['model.decode_head.num_classes=4'], 'model.decode_head is for 4 classes, but'),
        (['--launcher', 'pytorch'], 'launcher pytorch needs to be started by torchrun'),
        (['--launcher', 'mpi'], 'launcher mpi needs to be started by mpirun'),
    ],
)
def test_a_training_that_cannot_be(tool, baseline, arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(baseline.parents[1])
    if '=' in arguments[0] or arguments == ['train_cfg']:
        arguments = ['--cfg-options', *arguments]
    config = [] if arguments[0].endswith(('.py', '.md')) else [baseline]
    assert tool('train.py', *config, '--work-dir', tmp_path / 'run', *arguments) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.rglob('*.pth'))


def test_processes_that_do_not_know_of_each_other(tool, baseline, monkeypatch, capsys):
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert tool('train.py', baseline) == 2
    assert 'add --launcher pytorch' in one_line(capsys)


def test_publish_keeps_weights_only(tool, tmp_path, capsys):
    source, out = tmp_path / 'epoch_1.pth', tmp_path / 'published.pth'
    state = MoonNet().state_dict()
    saved = dict(state_dict=state, optimizer=dict(lr=1), meta=dict(epoch=1))
    torch.save(saved, source)
    assert tool('publish.py', source, out) == 2
    assert 'does not say what its classes are called' in one_line(capsys)
    saved['meta']['dataset_meta'] = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]], other=1)
    torch.save(saved, source)
    assert tool('publish.py', source, out) == 0
    published = torch.load(out, weights_only=True)
    assert list(published['state_dict']) == list(state)
    named = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]])
    assert published['meta'] == dict(dataset_meta=named)
    assert tool('publish.py', source, out) == 2
    assert 'exists' in one_line(capsys)


@pytest.mark.parametrize('name', ['train', 'test'])
def test_mmsegs_own_tools_run_our_configs(name, repository, untrained, tmp_path):
    """The configs need nothing of ours but the repository on the path."""
    import mmseg

    config, weights, options = untrained
    own = Path(mmseg.__file__).parent / '.mim' / 'tools' / f'{name}.py'
    command = [sys.executable, own, config, *[weights] * (name == 'test')]
    command += ['--work-dir', tmp_path / 'run', '--cfg-options', *MOON_OPTIONS, *options]
    environment = {**os.environ, 'PYTHONPATH': str(repository)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'rock_Dice' in done.stdout


TOOLS = sorted(path.name for path in (REPOSITORY / 'tools').glob('*.py'))
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'pandas', 'matplotlib'}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess:
    where = dict(cwd=REPOSITORY, env=os.environ | variables)
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, **where)


@pytest.mark.parametrize('name', [name for name in TOOLS if name != 'arguments.py'])
def test_help_imports_nothing_heavy(name):
    done = run('-X', 'importtime', f'tools/{name}', '--help')
    assert done.returncode == 0 and done.stdout.startswith('usage: ')
    imported = {line.split('|')[-1].strip().split('.')[0] for line in done.stderr.splitlines()}
    assert 'argparse' in imported and not imported & HEAVY
    # not a word but the imports
    assert all(line.startswith('import time:') for line in done.stderr.splitlines())


@pytest.mark.parametrize('config', ['unet_baseline', 'classifier'])
@pytest.mark.parametrize('command', ['train.py --work-dir', 'benchmark.py train --out'])
def test_an_error_is_one_line(command, config, tmp_path):
    where = dict(MOON_DATA=str(tmp_path / 'moon'), TINY_IMAGENET=str(tmp_path / 'tiny'))
    done = run(*f'tools/{command}'.split(), str(tmp_path / 'out'), f'configs/{config}.py', **where)
    assert done.returncode == 2 and done.stdout == ''
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ') and 'there is no such folder' in line

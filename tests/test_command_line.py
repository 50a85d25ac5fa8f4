"""What a user gets wrong on the command line ends in one line and exit code 2."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from conftest import MOON_OPTIONS
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.models.backbones import MoonNet
from custom_modules.utils.errors import reporting_errors


@pytest.fixture
def baseline(repository):
    return repository / 'configs' / 'unet_baseline.py'


def one_line(capsys) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


SPLIT = 'test_dataloader.dataset.split=test'


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['configs/unet_baselin.py'], 'there is no config configs/unet_baselin.py'),
        # a file that is none
        (['README.md'], 'README.md: choose a file of configs/'),
        (['--resume', 'best.pth'], 'there is no checkpoint best.pth'),
        (['randomnes.seed=1'], 'randomnes.seed would change nothing'),
        (['load_size=(256,256)'], 'load_size would change nothing'),
        ([SPLIT, 'test_dataloader.dataset.test_fraction=0.1'], 'images are shared'),
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


def test_a_checkpoint_to_test_that_is_not_there(tool, baseline, capsys):
    assert tool('test.py', baseline, 'best.pth') == 2
    assert 'there is no checkpoint best.pth' in one_line(capsys)


def test_processes_that_do_not_know_of_each_other(tool, baseline, monkeypatch, capsys):
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert tool('train.py', baseline) == 2
    assert 'add --launcher pytorch' in one_line(capsys)


@pytest.mark.parametrize(('name', 'said'), [('tools/train.py', '; it goes on with --resume'), ('demo.py', '')])
def test_an_interrupt_that_mmengine_disguises(name, said, capsys, monkeypatch):
    """It formats its config under a bare except."""

    def formatting():
        try:
            raise KeyboardInterrupt
        except BaseException:
            raise SyntaxError('Failed to format the config file')  # noqa: B904

    monkeypatch.setattr(sys, 'argv', [name])
    with pytest.raises(SystemExit) as stop:
        reporting_errors(formatting)()
    assert stop.value.code == 130 and capsys.readouterr().err == f'Interrupted{said}.\n'
    with pytest.raises(SyntaxError):
        reporting_errors(lambda: exec('x ='))()


def test_weights_that_cannot_be_downloaded(tool, repository, moon, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MOON_DATA', str(moon))

    def offline(*args, **kwargs):
        raise URLError('Name or service not known')

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', offline)
    config = repository / 'configs' / 'unet_backbone_scratch.py'
    options = ['model.backbone.init_cfg.type=Pretrained']
    options += ['model.backbone.init_cfg.checkpoint=torchvision://resnet34']
    arguments = ['--work-dir', tmp_path / 'run', '--cfg-options', *MOON_OPTIONS, *options]
    assert tool('train.py', config, *arguments) == 2
    line = one_line(capsys)
    assert 'torchvision://resnet34 could not be read or downloaded (Name or service not known)' in line
    assert '`model = dict(backbone=dict(init_cfg=None))`' in line


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


def test_a_segmentor_needs_no_mmpretrain(repository):
    """That a classifier needs no mmseg is for test_floors.py."""
    code = 'import sys; sys.modules["mmpretrain"] = None; import custom_modules.segmentation'
    subprocess.run([sys.executable, '-c', code], cwd=repository, check=True)

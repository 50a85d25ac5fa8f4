"""The main job through the command line: configs train and are tested, mistakes end in one line and exit code 2, every tool answers at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY, loader_options, logged, write_config
from PIL import Image

from custom_modules.models.backbones import MoonNet

BASELINE = REPOSITORY / 'configs' / 'unet_baseline.py'
TOOLS = sorted(path.name for path in (REPOSITORY / 'tools').glob('*.py'))
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'pandas', 'matplotlib'}


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
def test_a_training_that_cannot_be(refused, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    if '=' in arguments[0] or arguments == ['train_cfg']:
        arguments = ['--cfg-options', *arguments]
    config = [] if arguments[0].endswith(('.py', '.md')) else [BASELINE]
    refused(words, 'train.py', *config, '--work-dir', tmp_path / 'run', *arguments)
    assert not list(tmp_path.rglob('*.pth'))


def test_processes_that_do_not_know_of_each_other(refused, monkeypatch):
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('WORLD_SIZE', '2')
    refused('add --launcher pytorch', 'train.py', BASELINE)


def test_publish_keeps_weights_only(tool, refused, tmp_path):
    source, out = tmp_path / 'epoch_1.pth', tmp_path / 'published.pth'
    state = MoonNet().state_dict()
    saved = dict(state_dict=state, optimizer=dict(lr=1), meta=dict(epoch=1))
    torch.save(saved, source)
    refused('does not say what its classes are called', 'publish.py', source, out)
    named = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]])
    saved['meta']['dataset_meta'] = dict(named, other=1)
    torch.save(saved, source)
    assert tool('publish.py', source, out) == 0
    published = torch.load(out, weights_only=True)
    assert list(published['state_dict']) == list(state)
    assert published['meta'] == dict(dataset_meta=named)
    refused('exists', 'publish.py', source, out)


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


def test_segmentor(tool, repository, moon, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = 'unet_backbone_frozen'
    config = repository / 'configs' / f'{name}.py'
    assert tool('train.py', config, '--cfg-options', *MOON_OPTIONS) == 0
    work_dir = tmp_path / 'work_dirs' / name
    (best,) = work_dir.glob('best_rock_Dice_epoch_1.pth')
    assert (work_dir / 'epoch_1.pth').is_file() and (work_dir / f'{name}.py').is_file()
    rows = logged(work_dir)
    (val,) = [row for row in rows if 'rock_Dice' in row]
    assert any('decode.loss_dice' in row and 'decode.loss_bce' in row for row in rows)
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*')) and list(work_dir.glob('*/*.log'))

    capsys.readouterr()
    pictures, masks = tmp_path / 'pictures', tmp_path / 'masks'
    arguments = ['--show-dir', pictures, '--out', masks, '--work-dir', tmp_path / 'tested']
    # what is not tested need not be there
    gone = [f'{part}_dataloader.dataset.data_root={tmp_path}/gone' for part in ('train', 'val')]
    assert tool('test.py', config, best, *arguments, '--cfg-options', *MOON_OPTIONS, *gone) == 0
    (report,) = (tmp_path / 'tested').glob('*/*.json')
    tested = json.loads(report.read_text())
    # the checkpoint that was tested is the one that was validated
    assert tested['rock_Dice'] == pytest.approx(val['rock_Dice'], abs=1e-3)
    assert f'rock_Dice: {tested["rock_Dice"]:.2f}' in capsys.readouterr().out
    assert len(list(pictures.rglob('*.png'))) == 2
    predicted = {p.name: np.asarray(Image.open(p)) for p in masks.iterdir()}
    assert sorted(predicted) == ['render0004.png', 'render0008.png']
    assert set(np.unique(predicted['render0004.png'])) <= {0, 1}


def test_training_learns_and_tta_scores_alike(tool, repository, moon, tmp_path):
    """Ten epochs on bright squares: far above chance, and flips do not turn all into rock."""
    config = repository / 'configs' / 'unet_backbone_scratch.py'
    options = [*MOON_OPTIONS[:-1], 'train_cfg.max_epochs=12']
    # 24 steps are too few to come from the prior of a rock to rocks
    options += ['model.decode_head.init_cfg=None']
    assert tool('train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options) == 0
    (best,) = (tmp_path / 'run').glob('best_*.pth')
    # one line shows how the run goes: epoch, time left, losses and the last score
    (log,) = (tmp_path / 'run').glob('*/*.log')
    lines = [x for x in log.read_text().splitlines() if 'Epoch(train)' in x]
    said = ('[12][2/2]', 'eta: ', 'loss_bce: ', 'loss_dice: ', 'val rock_Dice')
    assert all(word in lines[-1] for word in said) and 'acc_seg' not in lines[-1]
    pipeline = 'tta_pipeline = _base_.scales_tta_pipeline\n'
    sizes = write_config(tmp_path / 'sizes.py', 'unet_backbone_scratch', pipeline)
    scores = []
    for views, *flag in ([config], [config, '--tta'], [sizes, '--tta']):
        folder = tmp_path / f'tested{len(scores)}'
        assert tool('test.py', views, best, *flag, '--work-dir', folder, '--cfg-options', *options) == 0
        (report,) = folder.glob('*/*.json')
        scores.append(json.loads(report.read_text())['rock_Dice'])
    assert scores[0] > 60
    assert min(scores) > scores[0] - 10
    assert len(set(scores)) == 3


def test_classifier(tool, repository, tiny_imagenet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = repository / 'configs' / 'classifier.py'
    options = [
        *loader_options(batch_size=6),
        'train_cfg.max_epochs=1',
        'model.head.num_classes=3',
        'model.head.topk=(1,2)',
        'val_evaluator.0.topk=(1,2)',
        'test_evaluator.0.topk=(1,2)',
    ]
    assert tool('train.py', config, '--cfg-options', *options) == 0
    work_dir = tmp_path / 'work_dirs' / 'classifier'
    (best,) = work_dir.glob('best_accuracy_top1_epoch_1.pth')
    test = [config, best, '--work-dir', tmp_path / 'tested', '--cfg-options', *options]
    predictions, pictures = tmp_path / 'predictions.pkl', tmp_path / 'pictures'
    assert tool('test.py', '--show-dir', pictures, '--out', predictions, *test) == 0
    (report,) = (tmp_path / 'tested').glob('*/classification_report.json')
    (scores,) = report.parent.glob('[0-9]*.json')
    top1 = json.loads(scores.read_text())['accuracy/top1']
    assert json.loads(report.read_text())['top1'] == pytest.approx(top1, abs=1e-3)
    assert report.with_name('confusion_matrix.png').is_file()
    # scalars in training, files in testing
    assert any('report/macro_f1' in row for row in logged(work_dir))
    assert not list(work_dir.rglob('classification_report.json'))
    assert predictions.is_file() and list(pictures.rglob('*.png'))
    assert tool('test.py', '--tta', *test) == 0
    assert tool('test.py', '--tta', '--show-dir', pictures, *test) == 2

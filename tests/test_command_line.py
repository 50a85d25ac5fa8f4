"""The main job through the command line: configs train and are tested, mistakes end in one line."""

import json
import re
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY, loader_options, logged, run_python, write_config
from pictures import load

from custom_modules.models.backbones import MoonNet

BASELINE = REPOSITORY / 'configs' / 'unet_baseline.py'
SET = BASELINE, '--cfg-options'


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['unet_backbone_frozn.py'], 'choose a file of configs/, such as configs/unet_backbone_frozen.py'),
        ([REPOSITORY / 'README.md'], 'README.md: choose a file of configs/'),
        ([BASELINE, '--resume', 'best.pth'], 'there is no checkpoint best.pth'),
        ([BASELINE, '--folds', '10'], '--folds is for --fold K'),
        ([*SET, 'train_cfg'], 'a setting is written KEY=VALUE'),
        ([*SET, 'load_size=(256,256'], 'every bracket and quote has to close'),
        ([*SET, 'randomnes.seed=1'], 'randomnes.seed would change nothing'),
        ([*SET, 'val_dataloader.dataset.ann_file=val.txt'], 'ann_file and val_fraction=0.2'),
        ([*SET, "model.decode_head.loss_decode=[dict(type='BinaryDiceLoss')]"], 'not a dict'),
        ([*SET, "vis_backends=[1, {'a':2}]"], 'not a dict'),
        # before anything is built: there is not even data
        ([*SET, 'model.decode_head.num_classes=4'], 'model.decode_head is for 4 classes, but'),
    ],
)
def test_a_training_that_cannot_be(refused, arguments, words, tmp_path):
    refused(words, 'train.py', '--work-dir', tmp_path / 'run', *arguments)
    assert not list(tmp_path.rglob('*.pth'))


def test_an_error_is_one_line_and_exit_code_2(tmp_path):
    """In a process of its own, in which no library has been imported."""
    command = [REPOSITORY / 'tools' / 'train.py', BASELINE, '--work-dir', tmp_path / 'run']
    done = run_python(*command, code=2, cwd=tmp_path, MOON_DATA='nowhere')
    assert done.stdout == ''
    assert re.fullmatch('error: .*nowhere, but there is no such folder: .*MOON_DATA.*\n', done.stderr), done.stderr


def test_windows_without_a_display_and_processes_that_do_not_know_of_each_other(refused, monkeypatch):
    monkeypatch.setattr('matplotlib.pyplot.get_backend', lambda: 'agg')
    weights = REPOSITORY / 'checkpoints' / 'rock_detector_mobile.pth'
    refused('there is no display here: write the pictures with --show-dir', 'test.py', BASELINE, weights, '--show')
    refused('launcher pytorch needs to be started by torchrun', 'train.py', BASELINE, '--launcher', 'pytorch')
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('WORLD_SIZE', '2')
    refused('add --launcher pytorch', 'train.py', BASELINE)


def test_publish_keeps_weights_only(tool, refused, tmp_path):
    source, out = tmp_path / 'epoch_1.pth', tmp_path / 'published.pth'
    named = dict(classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]])
    saved = dict(state_dict=MoonNet().state_dict(), optimizer=dict(lr=1), meta=dict(epoch=1))
    refused('there is no checkpoint', 'publish.py', source, out)
    refused('there is no checkpoint', 'test.py', BASELINE, source)
    torch.save(saved, source)
    refused('does not say what its classes are called', 'publish.py', source, out)
    saved['meta']['dataset_meta'] = dict(named, other=1)
    torch.save(saved, source)
    assert tool('publish.py', source, out) == 0
    published = torch.load(out, weights_only=True)
    assert list(published['state_dict']) == list(saved['state_dict']) and published['meta'] == dict(dataset_meta=named)
    refused('exists', 'publish.py', source, out)


def test_mmsegs_own_tools_run_our_configs(untrained, tmp_path):
    """They need nothing of ours but the repository on the path, and a segmentor needs no mmpretrain."""
    config, weights, options = untrained
    code = 'import runpy, sys\nsys.modules["mmpretrain"] = None\n'
    for name, *given in (('train', config), ('test', config, weights, '--out', tmp_path / 'masks')):
        own = Path(mmseg.__file__).parent / '.mim' / 'tools' / f'{name}.py'
        command = [own, *given, '--work-dir', tmp_path / name, '--cfg-options', *MOON_OPTIONS, *options]
        code += f'sys.argv = {[str(part) for part in command]}\nrunpy.run_path(sys.argv[0], run_name="__main__")\n'
    said = run_python('-c', code, cwd=tmp_path, PYTHONPATH=REPOSITORY).stdout
    assert 'Epoch(val)' in said and re.search(r'Epoch\(test\).*rock_Dice', said) and list((tmp_path / 'masks').glob('*.png'))


def test_segmentor(tool, repository, moon, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = 'unet_backbone_frozen'
    config = repository / 'configs' / f'{name}.py'
    assert tool('train.py', config, '--cfg-options', *MOON_OPTIONS) == 0
    work_dir = tmp_path / 'work_dirs' / name
    (best,) = work_dir.glob('best_rock_Dice_epoch_1.pth')
    assert (work_dir / 'epoch_1.pth').is_file() and (trained := (work_dir / f'{name}.py').read_text())
    (val,) = [row for row in logged(work_dir) if 'rock_Dice' in row]
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*')) and list(work_dir.glob('*/*.log'))
    capsys.readouterr()
    pictures, masks = tmp_path / 'pictures', tmp_path / 'masks'
    assert tool('test.py', config, best, *['--show-dir', pictures, '--out', masks], '--cfg-options', *MOON_OPTIONS) == 0
    assert (work_dir / f'{name}.py').read_text() == trained
    (report,) = work_dir.glob('*/*.json')
    tested = json.loads(report.read_text())
    # the checkpoint that was tested is the one that was validated
    assert tested['rock_Dice'] == pytest.approx(val['rock_Dice'], abs=1e-3)
    assert f'rock_Dice: {tested["rock_Dice"]:.2f}' in capsys.readouterr().out
    assert sorted(path.name for path in masks.iterdir()) == ['render0004.png', 'render0008.png']
    assert set(np.unique(load(masks / 'render0004.png'))) <= {0, 1} and len(list(pictures.rglob('*.png'))) == 2


def test_training_learns_and_tta_scores_alike(tool, repository, moon, tmp_path):
    """Twelve epochs on bright squares: far above chance, and flips do not turn all into rock."""
    config = repository / 'configs' / 'unet_backbone_scratch.py'
    options = [*MOON_OPTIONS[:-1], 'train_cfg.max_epochs=12']
    # 24 steps are too few to come from the prior of a rock to rocks
    options += ['model.decode_head.init_cfg=None']
    assert tool('train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options) == 0
    (best,) = (tmp_path / 'run').glob('best_*.pth')
    sizes = write_config(tmp_path / 'sizes.py', 'unet_backbone_scratch', 'tta_pipeline = _base_.scales_tta_pipeline\n')
    scores = []
    for views, *flag in ([config], [config, '--tta'], [sizes, '--tta']):
        folder = tmp_path / f'tested{len(scores)}'
        assert tool('test.py', views, best, *flag, '--work-dir', folder, '--cfg-options', *options) == 0
        (report,) = folder.glob('*/*.json')
        scores.append(json.loads(report.read_text())['rock_Dice'])
    assert scores[0] > 60 and min(scores) > scores[0] - 10 and len(set(scores)) == 3


def test_classifier(tool, repository, tiny_imagenet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = repository / 'configs' / 'classifier.py'
    options = [*loader_options(batch_size=6), 'train_cfg.max_epochs=1', 'model.head.num_classes=3']
    options += [f'{part}.topk=(1,2)' for part in ('model.head', 'val_evaluator.0', 'test_evaluator.0')]
    assert tool('train.py', config, '--cfg-options', *options) == 0
    work_dir = tmp_path / 'work_dirs' / 'classifier'
    (best,) = work_dir.glob('best_accuracy_top1_epoch_1.pth')
    test = [config, best, '--work-dir', tmp_path / 'tested', '--cfg-options', *options]
    assert tool('test.py', '--show-dir', tmp_path / 'pictures', '--out', tmp_path / 'predictions.pkl', *test) == 0
    (report,) = (tmp_path / 'tested').glob('*/classification_report.json')
    (scores,) = report.parent.glob('[0-9]*.json')
    top1 = json.loads(scores.read_text())['accuracy/top1']
    assert json.loads(report.read_text())['top1'] == pytest.approx(top1, abs=1e-3)
    # scalars in training, files in testing
    assert any('report/macro_f1' in row for row in logged(work_dir))
    assert not list(work_dir.rglob('classification_report.json'))
    assert (tmp_path / 'predictions.pkl').is_file() and list((tmp_path / 'pictures').rglob('*.png'))
    assert tool('test.py', '--tta', *test) == 0

"""The main job through the command lines: every main config trains an epoch and is tested."""

import json

import numpy as np
import pytest
from conftest import MOON_OPTIONS, loader_options
from PIL import Image


def test_segmentor(tool, repository, moon, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = 'unet_backbone_frozen'
    config = repository / 'configs' / f'{name}.py'
    assert tool('train.py', config, '--cfg-options', *MOON_OPTIONS) == 0
    work_dir = tmp_path / 'work_dirs' / name
    (best,) = work_dir.glob('best_rock_Dice_epoch_1.pth')
    assert (work_dir / 'epoch_1.pth').is_file() and (work_dir / f'{name}.py').is_file()
    (scalars,) = work_dir.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
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
    sizes = tmp_path / 'sizes.py'
    pipeline = 'tta_pipeline = _base_.scales_tta_pipeline\n'
    sizes.write_text(f"_base_ = ['{config.as_posix()}']\n{pipeline}")
    scores = []
    for views, *flag in ([config], [config, '--tta'], [sizes, '--tta']):
        folder = tmp_path / f'tested{len(scores)}'
        arguments = [*flag, '--work-dir', folder, '--cfg-options', *options]
        assert tool('test.py', views, best, *arguments) == 0
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
    assert 'report/macro_f1' in next(work_dir.glob('*/vis_data/scalars.json')).read_text()
    assert not list(work_dir.rglob('classification_report.json'))
    assert predictions.is_file() and list(pictures.rglob('*.png'))
    assert tool('test.py', '--tta', *test) == 0
    assert tool('test.py', '--tta', '--show-dir', pictures, *test) == 2

"""Every config that no other test trains: one training step, one validation, one test, on generated data."""

import json

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, loader_options, make_moon, make_tiny_imagenet, write_pair
from mmengine.config import Config

ELSEWHERE = {'classifier.py', 'classifier_large.py', 'unet_baseline.py', 'frozen_features_cached.py'}
ELSEWHERE |= {f'unet_backbone_{name}.py' for name in ('scratch', 'frozen', 'unfreeze')}
CONFIGS = sorted(
    path for path in (REPOSITORY / 'configs').rglob('*.py') if '_base_' not in path.parts and path.name not in ELSEWHERE
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The data sets, by the variable that names them."""
    root = tmp_path_factory.mktemp('data')
    wnids = Config.fromfile(REPOSITORY / 'configs' / 'classifier_14_classes.py').wnids
    rng = np.random.default_rng(0)
    for i in range(8):
        mask = np.repeat(np.arange(4, dtype=np.uint8), 16)[:, None].repeat(64, axis=1)
        image = (60 * mask[..., None] + rng.integers(0, 20, (64, 64, 3))).astype(np.uint8)
        write_pair(root / 'multiclass', f'{i:04d}', image, mask)
    # of each prefix two pictures: not outlined, lander, boulder, rock
    for name in ('C3_a', 'C3_b', 'PCAMa', 'PCAMb', 'chang4_a', 'chang4_b'):
        mask = np.repeat(np.array([0, 2, 3, 5], np.uint8), 16)[:, None].repeat(64, axis=1)
        for part, array in (('images', 40 * mask), ('masks', mask)):
            (root / 'sparse' / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / 'sparse' / part / f'{name}.png'), array)
    return {
        'MOON_DATA': make_moon(root / 'moon', count=5),
        'MOON_SCENES': make_moon(root / 'scenes_800', count=8),
        'MOON_PHOTOS': make_moon(root / 'photographs', count=2),
        'MOON_SPARSE': root / 'sparse',
        'MOON_SYNTHETIC': make_moon(root / 'scenes', count=5),
        'MOON_GOALS': make_moon(root / 'goals', count=2),
        'MOON_FURTHER': make_moon(root / 'further', count=2),
        'MOON_MULTICLASS_DATA': root / 'multiclass',
        'TINY_IMAGENET': make_tiny_imagenet(root / 'tiny', wnids),
        # a teacher that another run leaves
        'MOON_TEACHER_2': REPOSITORY / 'checkpoints' / 'rock_detector.pth',
    }


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_one_step_and_one_test(path, data, tool, tmp_path, monkeypatch, capsys):
    if path.stem.endswith('_albu'):
        pytest.importorskip('albumentations')
    for variable, folder in data.items():
        monkeypatch.setenv(variable, str(folder))
    cfg = Config.fromfile(path)
    segments = cfg.default_scope == 'mmseg'
    options = loader_options(**({'dataset.load_size': '(64,64)'} if segments else {}))
    if 'datasets' in cfg.train_dataloader.dataset:
        # several: each has its own
        options.remove('train_dataloader.dataset.load_size=(64,64)')
        parts = enumerate(cfg.train_dataloader.dataset.datasets)
        repeated = [i for i, part in parts if part.type == 'RepeatDataset']
        options += [f'train_dataloader.dataset.datasets.{i}.times=1' for i in repeated]
    options += ['train_cfg.max_epochs=1', 'default_hooks.checkpoint.save_optimizer=False']
    options += [f'train_dataloader.batch_size={2 if segments else 28}']
    if segments:
        options.append('default_hooks.fixed_samples.count=0')
    if path.parent.name == 'multiclass':
        # its weights lie on a server
        options.append('model.backbone.init_cfg=None')
    if path.stem in ('rock_detector_large', 'rock_detector'):
        # their weights are what another run leaves
        options.append('model.init_cfg=None')
    run = tmp_path / 'run'
    assert tool('train.py', path, '--work-dir', run, '--cfg-options', *options) == 0
    (scalars,) = run.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert all(np.isfinite(row['loss']) for row in rows if 'loss' in row)
    assert not segments or any(np.isfinite(row.get('val_loss', np.nan)) for row in rows)
    (best,) = run.glob('best_*.pth')
    if segments and '_base_/models' not in path.read_text():
        # a diff of another experiment, which is tested
        return
    capsys.readouterr()
    tested = ['--work-dir', tmp_path / 'tested', '--cfg-options', *options]
    assert tool('test.py', path, best, *tested) == 0
    out = capsys.readouterr().out
    assert ('mDice: ' if segments else 'report/macro_f1: ') in out
    if path.parent.name == 'multiclass':
        assert 'small_rock_Dice: ' in out and 'large_rock_Dice: ' in out

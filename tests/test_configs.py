"""Every config builds, stays a diff, has its published size, trains for an epoch and is tested."""

import functools
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, loader_options, logged, make_moon, make_tiny_imagenet, write_pair
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from pictures import save

EXPERIMENTS = sorted(p for p in (REPOSITORY / 'configs').rglob('*.py') if '_base_' not in p.parts)
# counted by the reference reports, or by hand from their description; the rest is this project's own
INDEX = (REPOSITORY / 'configs' / 'README.md').read_text(encoding='utf-8')
ROWS = re.findall(r'^\| \[`.+?`\]\((.+?)\) \| (.+) \|$', INDEX, re.MULTILINE)
PARAMETERS = {Path(p).stem: row.split(' | ')[1] for p, row in ROWS if '_base_' not in p}
# only read, never changed
read = functools.cache(Config.fromfile)
# run by other tests
ELSEWHERE = ('classifier', 'classifier_large', 'unet_baseline', 'unet_backbone_scratch', 'unet_backbone_frozen')
ELSEWHERE += ('frozen_features_cached',)


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: p.stem)
def test_an_experiment_is_a_diff_has_its_size_and_can_be_dumped(path, tmp_path):
    text, cfg = path.read_text(), read(path)
    lines = [line for line in text.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith('#')]) <= 15
    assert lines[0].startswith('# '), 'one comment that says why'
    assert f'tools/train.py {path.relative_to(REPOSITORY)}' in text, 'a comment with its command'
    init_default_scope(cfg.default_scope)
    assert f'{sum(p.numel() for p in MODELS.build(cfg.model).parameters()):,}' == PARAMETERS[path.stem]
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()
    # a short run must reach the end of its schedule too: no scheduler has an end of its own
    for name, schedulers in dict(cfg.schedulers, chosen=cfg.param_scheduler).items():
        assert not {'end', 'T_max', 'total_steps', 'eta_min', 'milestones'} & set(schedulers[-1]), name


def test_classifier_and_segmentors_see_the_same_pixels():
    seen = {}
    for path in EXPERIMENTS:
        processor = read(path).model.data_preprocessor
        channels = processor.bgr_to_rgb if 'bgr_to_rgb' in processor else processor.to_rgb
        seen[path.stem] = (tuple(processor.mean), tuple(processor.std), channels)
    # the ablation whose mistake this is
    assert seen.pop('wrong_normalisation')[0] == (0, 0, 0)
    assert len(set(seen.values())) == 1, seen


def test_segmentors_are_chosen_and_stopped_by_the_rocks_own_dice():
    for path in EXPERIMENTS:
        cfg = read(path)
        if cfg.default_scope == 'mmseg':
            score = 'mDice' if path.parent.name == 'multiclass' else 'rock_Dice'
            assert cfg.default_hooks.checkpoint.save_best == score
            assert cfg.default_hooks.early_stopping.monitor == score
            assert cfg.log_processor.get('score', 'rock_Dice') == score
            # an early stop cuts the cosine short: it is for runs that have gone wrong
            patience = cfg.default_hooks.early_stopping.patience
            assert patience * cfg.train_cfg.val_interval > cfg.train_cfg.max_epochs / 2
            # a plateau scheduler that stops being asked before it may act does nothing
            for scheduler in (*cfg.param_scheduler, *cfg.schedulers.plateau):
                assert 2 * scheduler.get('patience', 0) < patience


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """The data sets, by the variable that names them."""
    root = tmp_path_factory.mktemp('data')
    wnids = read(REPOSITORY / 'configs' / 'classifier_14_classes.py').wnids
    rng = np.random.default_rng(0)
    stripes = np.repeat(np.arange(4, dtype=np.uint8), 16)[:, None].repeat(64, axis=1)
    for i in range(8):
        image = (60 * stripes[..., None] + rng.integers(0, 20, (64, 64, 3))).astype(np.uint8)
        write_pair(root / 'multiclass', f'{i:04d}', image, stripes)
    # of each prefix two pictures: not outlined, lander, boulder, rock
    sparse = np.array([0, 2, 3, 5], np.uint8)[stripes]
    for name in ('C3_a', 'C3_b', 'PCAMa', 'PCAMb', 'chang4_a', 'chang4_b'):
        for part, array in (('images', 40 * sparse), ('masks', sparse)):
            save(root / 'sparse' / part / f'{name}.png', array)
    pairs = dict(DATA=5, SCENES=8, PHOTOS=2, SYNTHETIC=5, GOALS=2, FURTHER=2)
    return {f'MOON_{name}': make_moon(root / name, count) for name, count in pairs.items()} | {
        'MOON_SPARSE': root / 'sparse',
        'MOON_MULTICLASS_DATA': root / 'multiclass',
        'TINY_IMAGENET': make_tiny_imagenet(root / 'tiny', wnids),
        'MOON_TEACHER_2': REPOSITORY / 'checkpoints' / 'rock_detector.pth',
        'MOON_MOBILE': REPOSITORY / 'checkpoints' / 'rock_detector_mobile.pth',
    }


@pytest.mark.parametrize('path', [p for p in EXPERIMENTS if p.stem not in ELSEWHERE], ids=lambda p: p.stem)
def test_one_step_and_one_test(path, data, tool, tmp_path, monkeypatch, capsys):
    if path.stem.endswith('_albu'):
        pytest.importorskip('albumentations')
    for variable, folder in data.items():
        monkeypatch.setenv(variable, str(folder))
    cfg = Config.fromfile(path)
    segments, multiclass = cfg.default_scope == 'mmseg', path.parent.name == 'multiclass'
    options = loader_options(**({'dataset.load_size': '(64,64)'} if segments else {}))
    if 'datasets' in cfg.train_dataloader.dataset:
        # several: each has its own
        options.remove('train_dataloader.dataset.load_size=(64,64)')
        for i, part in enumerate(cfg.train_dataloader.dataset.datasets):
            own, repeated = f'train_dataloader.dataset.datasets.{i}', part.type == 'RepeatDataset'
            options += [f'{own}.times=1'] * repeated + [f'{own}{".dataset" * repeated}.indices=1']
    options += ['train_cfg.max_epochs=1', 'default_hooks.checkpoint.save_optimizer=False']
    options += [f'train_dataloader.batch_size={2 if segments else 28}']
    options += ['default_hooks.fixed_samples.count=0'] * segments
    # weights that lie on a server, or are what another run leaves
    options += ['model.backbone.init_cfg=None'] * multiclass
    options += ['model.init_cfg=None'] * (path.stem in ('rock_detector_large', 'rock_detector'))
    options += ['model.head.num_classes=14'] * (path.stem == 'resnet34_classifier')
    run = tmp_path / 'run'
    assert tool('train.py', path, '--work-dir', run, '--cfg-options', *options) == 0
    rows = logged(run)
    assert all(np.isfinite(row['loss']) for row in rows if 'loss' in row)
    assert not segments or any(np.isfinite(row.get('val_loss', np.nan)) for row in rows)
    (best,) = run.glob('best_*.pth')
    if segments and '_base_/models' not in path.read_text():
        # a diff of another experiment, which is tested
        return
    capsys.readouterr()
    assert tool('test.py', path, best, '--work-dir', tmp_path / 'tested', '--cfg-options', *options) == 0
    scores = ['mDice: ', *(['small_rock_Dice: ', 'large_rock_Dice: '] * multiclass)] if segments else ['report/macro_f1: ']
    out = capsys.readouterr().out
    assert all(score in out for score in scores)

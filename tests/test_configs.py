"""Every config builds and stays a diff; the classifier and the segmentors agree on what they see."""

import pytest
from conftest import REPOSITORY
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

EXPERIMENTS = sorted(p for p in (REPOSITORY / 'configs').rglob('*.py') if '_base_' not in p.parts)


def build(cfg: Config):
    init_default_scope(cfg.default_scope)
    return MODELS.build(cfg.model)


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: p.stem)
def test_an_experiment_is_a_diff(path):
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith('#')]
    assert len(code) <= 15
    assert lines[0].startswith('# '), 'one comment that says why'
    command = f'tools/train.py {path.relative_to(REPOSITORY)}'
    assert command in path.read_text(), f'a comment with its command: {command}'


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: p.stem)
def test_every_config_builds_and_its_dump_is_the_same(path, tmp_path):
    cfg = Config.fromfile(path)
    model = build(cfg)
    assert sum(p.numel() for p in model.parameters()) > 1_000_000
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()


def test_classifier_and_segmentors_see_the_same_pixels():
    preprocessors = {}
    for path in EXPERIMENTS:
        processor = build(Config.fromfile(path)).data_preprocessor
        preprocessors[path.stem] = (
            processor.mean.flatten().tolist(),
            processor.std.flatten().tolist(),
            processor._channel_conversion
            if hasattr(processor, '_channel_conversion')
            else processor.to_rgb,
        )
    assert len(preprocessors) >= 6
    assert len({str(value) for value in preprocessors.values()}) == 1, preprocessors


def test_data_folder_is_set_without_editing(monkeypatch):
    monkeypatch.delenv('MOON_DATA', raising=False)
    path = REPOSITORY / 'configs' / 'unet_backbone_frozen.py'
    assert Config.fromfile(path).train_dataloader.dataset.data_root.startswith('data/')
    monkeypatch.setenv('MOON_DATA', '/elsewhere/moon')
    monkeypatch.setenv('TINY_IMAGENET', '/elsewhere/tiny')
    cfg = Config.fromfile(path)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == '/elsewhere/moon'
    cfg = Config.fromfile(REPOSITORY / 'configs' / 'classifier.py')
    assert cfg.val_dataloader.dataset.data_root == '/elsewhere/tiny'


def test_schedules_end_where_training_ends():
    """A short run must reach the end of its cosine too: no scheduler has an end of its own."""
    for path in EXPERIMENTS:
        last = Config.fromfile(path).param_scheduler[-1]
        assert last.type == 'CosineAnnealingLR' and 'end' not in last and 'T_max' not in last


def test_segmentors_are_chosen_and_stopped_by_the_rocks_own_dice():
    for path in EXPERIMENTS:
        cfg = Config.fromfile(path)
        if cfg.default_scope == 'mmseg':
            assert cfg.default_hooks.checkpoint.save_best == 'rock_Dice'
            assert cfg.default_hooks.early_stopping.monitor == 'rock_Dice'
            # an early stop cuts the cosine short: it is for runs that have gone wrong
            assert cfg.default_hooks.early_stopping.patience > cfg.train_cfg.max_epochs / 2

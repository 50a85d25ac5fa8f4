"""Every config builds, stays a diff and has its published size; classifier and segmentors see the same."""

import functools

import pytest
from conftest import REPOSITORY
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

EXPERIMENTS = sorted(p for p in (REPOSITORY / 'configs').rglob('*.py') if '_base_' not in p.parts)
# counted by the reference reports, or by hand from their description; the rest is this project's own
PARAMETERS = {
    'classifier': 1_645_048,
    'classifier_large': 4_323_920,
    'classifier_14_classes': 1_597_246,
    'unet_baseline': 2_459_719,
    'unet_backbone_scratch': 2_356_945,
    'unet_backbone_frozen': 2_356_945,
    'unet_backbone_unfreeze': 2_356_945,
    'frozen_features_cached': 2_356_945,
    'report1_unet_base64': 31_043_521,
    'report1_frozen': 2_356_945,
    'report2_simple_net_classifier': 129_012,
    'report2_unet_base16': 1_944_049,
    'report2_simple_net_frozen': 891_281,
    'report2_simple_net_unfreeze': 891_281,
    'report3_narrow_resnet_classifier': 889_732,
    'report3_unet_base18': 2_459_719,
    'report3_narrow_resnet_scratch': 2_963_395,
    'report3_narrow_resnet_pretrained': 2_963_395,
    'unet_base32': 7_765_985,
    'finetuned': 2_356_945,
    'finetuned_full_rate': 2_356_945,
    'frozen_adapting_norms': 2_356_945,
    'frozen_random': 2_356_945,
    'frozen_14_classes': 2_356_945,
    'finetuned_14_classes': 2_356_945,
    'synthetic_frozen': 2_356_945,
    'synthetic_finetuned': 2_356_945,
    'grey_standardized': 2_356_945,
    'wrong_normalisation': 2_356_945,
    'finetuned_detector': 2_356_945,
    'rock_detector': 2_356_945,
    'detector_without_further': 2_356_945,
    'averaged_weights': 2_356_945,
    'bilinear_decoder': 2_378_465,
    'camera_augmentation': 2_356_945,
    'long_baseline': 2_459_719,
    'long_scratch': 2_356_945,
    'long_frozen': 2_356_945,
    'long_finetuned': 2_356_945,
    'long_synthetic': 2_356_945,
    'cross_entropy_alone': 2_356_945,
    'dice_alone': 2_356_945,
    'weighted_cross_entropy': 2_356_945,
    'batch_augmentation': 2_459_719,
    'rock_detector_synthetic': 2_356_945,
    'rock_detector_goals': 2_356_945,
    'rock_detector_large': 9_506_257,
    'rock_detector_large_synthetic': 9_506_257,
    'deeplabv3plus_r50': 41_197_747,
    'unet_r34': 24_425_987,
    'unet_r34_albu': 24_425_987,
    'unet_r34_4_classes': 24_426_052,
}


# only read, never changed
read = functools.cache(Config.fromfile)


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
    cfg = read(path)
    model = build(cfg)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[path.stem]
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()


def test_classifier_and_segmentors_see_the_same_pixels():
    seen = {}
    for path in EXPERIMENTS:
        processor = read(path).model.data_preprocessor
        channels = processor.bgr_to_rgb if 'bgr_to_rgb' in processor else processor.to_rgb
        seen[path.stem] = (tuple(processor.mean), tuple(processor.std), channels)
    assert len(seen) == len(PARAMETERS)
    # the ablation whose mistake this is
    assert seen.pop('wrong_normalisation')[0] == (0, 0, 0)
    assert len(set(seen.values())) == 1, seen


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
    """A short run must reach the end of its schedule too: no scheduler has an end of its own."""
    for path in EXPERIMENTS:
        cfg = read(path)
        for name, schedulers in dict(cfg.schedulers, chosen=cfg.param_scheduler).items():
            last = schedulers[-1]
            assert not {'end', 'T_max', 'total_steps', 'eta_min', 'milestones'} & set(last), name


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

"""Features of a frozen encoder that are computed once are those that are computed each time; what changes them is refused."""

import copy
from types import SimpleNamespace

import pytest
import torch
from conftest import MOON_OPTIONS, make_moon
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope

import custom_modules.segmentation  # noqa: F401
from custom_modules.engine.hooks.feature_cache import FeatureCache, require_constant_features
from custom_modules.engine.hooks.schedules import FreezeScheduleHook
from custom_modules.models.backbones import MoonNet
from custom_modules.utils.errors import UsageError

CONFIG = 'configs/ablations/frozen_features_cached.py'


def test_a_run_ends_in_the_same_weights(tool, moon, repository, tmp_path, monkeypatch):
    """That a resumed one does too is for tests/faults/test_killing.py."""
    monkeypatch.setenv('MOON_DATA', str(moon))
    calls, plain = [], FeatureCache._joined
    joined = lambda *args: calls.append(1) or plain(*args)  # noqa: E731
    monkeypatch.setattr(FeatureCache, '_joined', joined)

    def train(enabled: bool) -> dict[str, torch.Tensor]:
        options = [
            *MOON_OPTIONS,
            # 8 images: two whole batches, whose images change places, and a ragged one
            'train_dataloader.batch_size=3',
            'train_cfg.max_epochs=3',
            'randomness.deterministic=True',
            'model.backbone.init_cfg=None',
            'model.backbone.widths=[4,4,4,4,4]',
            f'default_hooks.feature_cache.enabled={enabled}',
        ]
        line = ['--work-dir', tmp_path / str(enabled), '--cfg-options', *options]
        assert tool('train.py', repository / CONFIG, *line) == 0
        return torch.load(tmp_path / str(enabled) / 'epoch_3.pth')['state_dict']

    try:
        expected = train(False)
        assert not calls
        found = train(True)
        # of the 6 whole batches those without a new image
        assert 1 <= len(calls) < 5
        assert list(found) == list(expected)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    finally:
        torch.use_deterministic_algorithms(False)


def test_whole_batches_take_their_own_rows_in_the_same_layout():
    torch.manual_seed(0)
    backbone = MoonNet((4, 4, 4, 4, 4), frozen_stages=4).train()
    backbone.to(memory_format=torch.channels_last)
    images = torch.rand(3, 3, 32, 32).to(memory_format=torch.channels_last)
    cache = FeatureCache(backbone, batch_size=3)
    cache.names = ['a', 'b', 'c']
    cache.forward(images)
    # other pixels: what comes back was kept
    cache.names = ['c', 'a', 'a']
    expected = backbone(images[[2, 0, 0]])
    found = cache.forward(torch.zeros_like(images))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b) and a.stride() == b.stride() and not a.requires_grad
    # a new image, another size, a ragged batch, a call outside of training
    other = torch.rand(3, 3, 32, 32).to(memory_format=torch.channels_last)
    for names, x in (
        (['a', 'b', 'd'], other),
        (['a', 'b', 'c'], other[..., :16]),
        (['a', 'b'], other[:2]),
        (None, other),
    ):
        cache.names = names
        assert all(torch.equal(*pair) for pair in zip(cache.forward(x), backbone(x), strict=True))


@pytest.fixture(scope='module')
def built(tmp_path_factory, repository):
    """Model and training set of the config, small."""
    init_default_scope('mmseg')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MOON_DATA', str(make_moon(tmp_path_factory.mktemp('data') / 'moon')))
        cfg = Config.fromfile(repository / CONFIG)
    cfg.model.backbone.update(init_cfg=None, widths=[4, 4, 4, 4, 4])
    cfg.train_dataloader.dataset.update(cache=None, load_size=(64, 64))
    model = MODELS.build(cfg.model)
    model.backbone.frozen_stages = 4
    return model, DATASETS.build(cfg.train_dataloader.dataset)


@pytest.fixture
def run(built):
    """What is looked at of a runner, and its model."""
    model, dataset = copy.deepcopy(built)
    loader = SimpleNamespace(dataset=dataset)
    hooks = [FreezeScheduleHook({0: 4, 5: 2})]
    return SimpleNamespace(hooks=hooks, max_epochs=5, train_dataloader=loader), model


def frozen_stages(runner, model, value):
    runner.hooks, model.backbone.frozen_stages = [], value


def pipeline_of(runner):
    return runner.train_dataloader.dataset.pipeline.transforms


def augmented(runner, model):
    augments = [dict(type='BatchRandomFlip')]
    model.data_preprocessor = MODELS.build(dict(type='BatchAugPreProcessor', augments=augments))


def step(name):
    return type(name, (), {})()


CHANGES = [
    (lambda run, model: setattr(run, 'max_epochs', 6), 'frozen_stages is 2 instead of 4'),
    (lambda run, model: frozen_stages(run, model, -1), 'frozen_stages is -1 instead of 4'),
    (lambda run, model: setattr(model.backbone, 'frozen_norm_eval', False), 'whose batch norms freeze'),
    (lambda run, model: pipeline_of(run).insert(1, step('RandomFlip')), 'RandomFlip may be random'),
    (augmented, 'BatchAugPreProcessor may be random'),
    (lambda run, model: setattr(run.train_dataloader, 'dataset', [0]), 'list may be random'),
    (lambda run, model: setattr(model, 'backbone', torch.nn.Identity()), 'needs a StagedBackbone'),
]


@pytest.mark.parametrize(('change', 'sentence'), CHANGES)
def test_what_changes_features_is_one_sentence(run, change, sentence):
    change(*run)
    with pytest.raises(UsageError, match=sentence):
        require_constant_features(*run)

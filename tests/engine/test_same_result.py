"""The fast path changes no result: one seed ends in the same weights and log, cached or not, to the last bit where nothing is rounded anew."""

from types import SimpleNamespace

import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY, logged, make_moon, run_tool
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, TRANSFORMS

from custom_modules.datasets.samples import SeededSamples
from custom_modules.engine.hooks.feature_cache import FeatureCache, require_constant_features
from custom_modules.engine.hooks.logging import LazyRuntimeInfoHook
from custom_modules.engine.hooks.schedules import FreezeScheduleHook, ResumableSeedHook
from custom_modules.models.backbones import MoonNet
from custom_modules.utils.errors import UsageError

# four iterations, of which the third is logged and the last ends the epoch
OPTIONS = [
    *MOON_OPTIONS,
    'randomness.deterministic=True',
    'model.backbone.widths=[4,8,8,8,8]',
    'train_dataloader.batch_size=2',
    'default_hooks.logger.interval=3',
]
CONFIG = 'configs/ablations/frozen_features_cached.py'


@pytest.fixture(scope='module')
def train(tmp_path_factory):
    """Train in this process; return the last checkpoint, the logged scalars, and how many of each had waited when they were read."""
    root = tmp_path_factory.mktemp('same')
    make_moon(root / 'moon')
    plain = LazyRuntimeInfoHook.read

    def run(name: str, *options: str, config: str = 'configs/unet_baseline.py') -> tuple[dict, list[dict], list[dict]]:
        waited = []

        def read(self, hub) -> None:
            waited.append({name: len(values) for name, values in self._waiting.items()})
            plain(self, hub)

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('MOON_DATA', str(root / 'moon'))
            patch.setattr(LazyRuntimeInfoHook, 'read', read)
            arguments = ['--work-dir', root / name, '--cfg-options', *OPTIONS, *options]
            assert run_tool('train.py', REPOSITORY / config, *arguments) == 0
        return torch.load(max((root / name).glob('epoch_*.pth')), weights_only=True), logged(root / name), waited

    yield run
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope='module')
def first(train):
    return train('first')


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one['state_dict'][k], other['state_dict'][k]) for k in one['state_dict'])


def test_one_seed_one_result(train, first, monkeypatch):
    seeds, told, plain, draw = set(), [], SeededSamples.set_epoch, ResumableSeedHook.before_train_iter

    def seed(*given, **batch) -> None:
        draw(*given, **batch)
        seeds.add(torch.initial_seed())

    monkeypatch.setattr(ResumableSeedHook, 'before_train_iter', seed)
    monkeypatch.setattr(SeededSamples, 'set_epoch', lambda self, *given: told.append(given) or plain(self, *given))
    assert same(train('again')[0], first[0])
    assert not same(train('other', 'randomness.seed=1', 'train_cfg.max_epochs=2')[0], first[0])
    assert told == [(0, 0), (1, 0), (1, 1)] and len(seeds) == 4 + 2 * 4, 'each epoch, and each step, draws anew'


def test_cached_or_not_validated_in_batches_or_not_read_late_or_at_once(train, first):
    options = [f'{part}_dataloader.dataset.cache=None' for part in ('train', 'val', 'test')]
    options += [f'{part}_dataloader.batch_size=1' for part in ('val', 'test')]
    # mmengine's and mmseg's own way from sample to network
    options += ['train_dataloader.collate_fn.type=pseudo_collate', 'model.data_preprocessor.type=SegDataPreProcessor']
    plain = train('plain', *options, 'default_hooks.lazy_scalars.enabled=False')
    assert same(plain[0], first[0])
    # the first of each name was read at once
    for name in ('train/loss', 'train/grad_norm'):
        assert [found[name] for found in first[2]] == [2, 1]
    assert plain[2] == []
    for lazy, at_once in zip(first[1], plain[1], strict=True):
        assert list(lazy) == list(at_once)
        # scores were computed in other batches
        rounding = 0 if 'loss' in lazy else 1e-6
        for name in lazy.keys() - {'time', 'data_time'}:
            assert lazy[name] == pytest.approx(at_once[name], rel=rounding, abs=0), name
    histories = [found[0]['message_hub']['log_scalars'] for found in (first, plain)]
    assert list(histories[0]) == list(histories[1])
    for name in ('train/loss', 'train/decode.loss_dice', 'train/grad_norm', 'train/lr'):
        values = [history[name].data[0].tolist() for history in histories]
        assert values[0] == values[1] and len(values[0]) == 4, name


def test_layout_and_fused_optimizer_up_to_rounding(train):
    # AdamW's first steps turn the sign of a tiny gradient into a whole step, which hides what else is wrong
    sgd = [f'optim_wrapper.optimizer.{part}' for part in ('type=SGD', 'lr=0.1', 'momentum=0.9')]
    fast = train('sgd', *sgd)[0]['state_dict']
    slow = ['default_hooks.channels_last.enabled=False', 'optim_wrapper.optimizer.fused=False']
    plain = train('sgd_plain', *sgd, *slow)[0]['state_dict']
    for name, expected in fast.items():
        torch.testing.assert_close(plain[name], expected, rtol=2e-5, atol=2e-6)


def test_features_that_are_kept_end_in_the_same_weights(train, monkeypatch):
    """That a resumed run does too is for tests/faults/test_killing.py."""
    calls, plain = [], FeatureCache._joined
    monkeypatch.setattr(FeatureCache, '_joined', lambda *args: calls.append(1) or plain(*args))
    # 8 images: two whole batches, whose images change places, and a ragged one
    options = ['train_dataloader.batch_size=3', 'train_cfg.max_epochs=3', 'model.backbone.init_cfg=None']
    expected = train('computed', *options, 'default_hooks.feature_cache.enabled=False', config=CONFIG)[0]
    assert not calls
    assert same(train('kept', *options, config=CONFIG)[0], expected)
    # of the 6 whole batches those without a new image
    assert 1 <= len(calls) < 5


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
    for a, b in zip(cache.forward(torch.zeros_like(images)), backbone(images[[2, 0, 0]]), strict=True):
        assert torch.equal(a, b) and a.stride() == b.stride() and not a.requires_grad
    # a new image, another size, a ragged batch, a call outside of training
    other = torch.rand(3, 3, 32, 32).to(memory_format=torch.channels_last)
    for names, x in (([*'abd'], other), ([*'abc'], other[..., :16]), ([*'ab'], other[:2]), (None, other)):
        cache.names = names
        assert all(torch.equal(*pair) for pair in zip(cache.forward(x), backbone(x), strict=True))


@pytest.fixture
def run(moon, segmentation):
    """What is looked at of a runner, and its model."""
    cfg = Config.fromfile(REPOSITORY / CONFIG)
    cfg.model.backbone.update(init_cfg=None, widths=[4, 4, 4, 4, 4], frozen_stages=4)
    cfg.train_dataloader.dataset.update(cache=None, load_size=(64, 64))
    loader = SimpleNamespace(dataset=DATASETS.build(cfg.train_dataloader.dataset))
    hooks = [FreezeScheduleHook({0: 4, 5: 2})]
    return SimpleNamespace(hooks=hooks, max_epochs=5, train_dataloader=loader), MODELS.build(cfg.model)


def frozen_stages(runner, model, value):
    runner.hooks, model.backbone.frozen_stages = [], value


def augmented(runner, model):
    model.data_preprocessor = MODELS.build(dict(type='BatchAugPreProcessor', augments=[dict(type='BatchRandomFlip')]))


def with_flips(runner, model):
    runner.train_dataloader.dataset.pipeline.transforms.insert(1, TRANSFORMS.build(dict(type='RandomFlip', prob=0.5)))


CHANGES = [
    (lambda run, model: setattr(run, 'max_epochs', 6), 'frozen_stages is 2 instead of 4'),
    (lambda run, model: frozen_stages(run, model, -1), 'frozen_stages is -1 instead of 4'),
    (lambda run, model: setattr(model.backbone, 'frozen_norm_eval', False), 'whose batch norms freeze'),
    (with_flips, 'RandomFlip may be random'),
    (augmented, 'BatchAugPreProcessor may be random'),
    (lambda run, model: setattr(run.train_dataloader, 'dataset', [0]), 'list may be random'),
]


@pytest.mark.parametrize(('change', 'sentence'), CHANGES)
def test_what_changes_features_is_one_sentence(run, change, sentence):
    change(*run)
    with pytest.raises(UsageError, match=sentence):
        require_constant_features(*run)

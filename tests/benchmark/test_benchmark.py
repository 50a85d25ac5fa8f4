"""A benchmark compares like with like, its parts add up, and its ratios are those of its own numbers."""

import functools
import json
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
import torch
from conftest import loader_options
from mmengine.config import Config

from custom_modules.benchmark import configs, measuring
from custom_modules.benchmark.configs import stock_config
from custom_modules.benchmark.training import RunnerTraining
from custom_modules.engine.config import load_config, read_options
from custom_modules.models.unet_head import LeanLossMixin, UNetHead
from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import LoggedProcess

SMALL = [*loader_options(**{'dataset.load_size': '(64,64)'}), 'model.backbone.widths=[4,4,4,4,4]']


@pytest.fixture(autouse=True)
def in_threads(monkeypatch):
    """Contestants in threads of this process: a process each would import everything anew."""
    monkeypatch.setattr(LoggedProcess, 'pool', functools.partial(ThreadPoolExecutor, 1))


@pytest.fixture
def measure(tool, moon, repository, tmp_path):
    """Run a command on ten generated pairs, of which eight are for training; returns its JSON."""

    def run(command: str, *arguments, options=()) -> dict:
        config, out = repository / 'configs' / 'unet_baseline.py', tmp_path / 'out'
        line = [command, config, *arguments, '--workers', 0, '--out', out, '--cfg-options', *SMALL]
        assert tool('benchmark.py', *line, *options) == 0
        # nothing of the contestants stays
        assert sorted(path.name for path in out.iterdir()) == [f'{command}.json', f'{command}.md']
        return json.loads((out / f'{command}.json').read_text())

    return run


def counting(monkeypatch, owner, name: str) -> list:
    """Let a method count its calls."""
    calls, plain = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args: calls.append(args) or plain(*args))
    return calls


def test_train_compares_like_with_like(measure, tmp_path, monkeypatch):
    from mmseg.datasets.transforms import Resize

    resized = counting(monkeypatch, Resize, 'transform')
    lost = counting(monkeypatch, LeanLossMixin, 'loss_by_feat')
    half = ['optim_wrapper.type=BFloat16OptimWrapper']
    found = measure('train', '--epochs', 1, '--repeats', 1, '--batch', 4, options=half)['contestants']
    precisions = {name: one['precision'] for name, one in found.items()}
    # where it is installed
    assert precisions.pop('smp', 'float32') == 'float32'
    # stock as anyone can run it, and in the project's precision
    assert ' '.join(precisions) == 'project stock stock bfloat16 bare loop'
    assert list(precisions.values()) == ['bfloat16', 'float32', 'bfloat16', 'bfloat16']
    # project and bare loop, in two iterations of two epochs; validation is in float32
    assert [logits.dtype for _, logits, _ in lost if logits.requires_grad] == 8 * [torch.bfloat16]
    for one in found.values():
        assert one['images'] == dict(epoch=8, training=8, validation=2)
        sums = sum(one['split_ms'].values()), one['split_ms']['data'] / one['data_share']
        assert sums == pytest.approx([one['iteration_ms']] * 2, rel=1e-6)
        assert all(one['split_ms'][part] > 0 for part in ('data', 'forward', 'backward', 'step'))
        seconds = one['rounds'][1]['seconds']
        assert seconds['training'] + seconds['validation'] == pytest.approx(seconds['epoch'])
    assert len({(found[name]['parameters'], found[name]['gmac']) for name in precisions}) == 1
    # each stock, and smp, read each of their 10 images in both epochs; nobody else uses mmcv's Resize
    assert len(resized) == (3 if 'smp' in found else 2) * 2 * (8 + 2)


def test_stock_has_none_of_the_fast_path(repository, monkeypatch):
    cfg = Config.fromfile(repository / 'configs' / 'unet_backbone_frozen.py')
    cfg.model.data_preprocessor.update(type='BatchAugPreProcessor', augments=[dict(type='Flip')])
    cfg.default_hooks.compile = dict(type='CompileHook', enabled=True)
    cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    stock = stock_config(cfg, (96, 64), 2, 'float32')
    text = stock.pretty_text.replace('FreezeSchedule', '')
    fast = ['cache=', 'fused', 'augments', 'compile', 'ChannelsLast', 'ResizeToLoadSize']
    assert not [word for word in [*fast, 'Class', 'BFloat16'] if word in text]
    assert stock.model.type == 'EncoderDecoder' and stock.val_dataloader.dataset.pipeline[1].scale == (96, 64)
    assert stock.optim_wrapper.optimizer.lr == cfg.optim_wrapper.optimizer.lr
    assert stock.model.decode_head.loss_decode == cfg.model.decode_head.loss_decode
    assert stock.default_hooks.freeze_schedule == cfg.default_hooks.freeze_schedule
    # of a classifier it is mmpretrain's, which decodes each time
    classifier = stock_config(Config.fromfile(repository / 'configs' / 'classifier.py'), (64, 64), 2, 'float32')
    words = ['cache=', 'fused', 'augments', 'MergedGroups', 'ChannelsLast', 'Batch', 'progressive', 'ema']
    assert classifier.model.type == 'ImageClassifier' and not [w for w in words if w in classifier.pretty_text]
    # in the config's precision it is mmengine's wrapper, where it runs
    for device, wrapper in dict(cpu='BFloat16OptimWrapper', cuda='AmpOptimWrapper').items():
        monkeypatch.setattr(configs, 'get_device', lambda device=device: device)
        assert stock_config(cfg, (96, 64), 2, 'bfloat16').optim_wrapper.type == wrapper


def test_files_are_predicted_alike(untrained, measure, monkeypatch):
    """As tools/predict.py does, and by mmseg's inferencer: the same weights at the same size of the network."""
    from custom_modules.benchmark import prediction

    monkeypatch.setattr(prediction, 'mixed_precision_pays', lambda: True)
    config, weights, options = untrained
    options = [*options, *loader_options(**{'dataset.load_size': '(32,32)'})]
    found = measure('infer', weights, '--repeats', 1, '--images', 3, '--batch', 2, options=options)['contestants']
    assert [name for name in found if name != 'smp'] == ['project', 'project --amp', 'stock', 'bare loop']
    assert found['project']['parameters'] == found['stock']['parameters'] > 0
    assert all(one['images'] == dict(network_2=2, files_2=2) for one in found.values())
    cfg = load_config(config, read_options(options))
    # half of the pixels shall be rock
    bare = prediction.BarePrediction('', cfg, (32, 32), str(weights))
    bare.build()
    with torch.no_grad():
        bare.model.decode_head.conv_seg.bias -= bare.model(bare.tensors.permute(0, 3, 1, 2), mode='tensor').median()
    torch.save(dict(state_dict=bare.model.state_dict()), weights)
    heads = counting(monkeypatch, UNetHead, 'forward')
    contestants = prediction.prediction_contestants(cfg, (32, 32), [str(weights)], (2,), 3, 1)
    masks = {}
    for one in contestants:
        one.build()
        masks[one.name] = np.stack(one._masks(one.paths, 2))
    # of what the first level gives
    assert {tuple(features[0].shape[2:]) for _, features in heads} == {(32, 32)}
    # pictures are made smaller by other means, so a few pixels differ
    assert (masks['project'] == masks['stock']).mean() > 0.95 and masks['stock'].std() > 0.4


def test_contestants_alternate(tmp_path):
    order = []

    def contestant(name: str, error: Exception | None = None):
        one = mock.Mock(threads=None, precision='float32', cfg=Config(dict(custom_imports=dict(imports=[]))))
        one.name = one.title = name
        one.build.side_effect = error or (lambda: dict(device='cpu'))
        one.measure.side_effect = lambda: order.append(name) or dict(seconds=dict(epoch=float(len(order))))
        return one

    facts, rounds = measuring.run_rounds([contestant(name) for name in 'ABC'], 2, 2, tmp_path / 'runs', 1)
    with pytest.raises(UsageError, match='mend it'):
        measuring.run_rounds([contestant('A', UsageError('mend it.'))], 1, 1, tmp_path / 'runs', 1)
    assert ''.join(order) == 'ABC' * 6
    assert [r['seconds']['epoch'] for r in rounds['B']] == [2, 5, 8, 11, 14, 17]
    assert [r['warm_up'] for r in rounds['A']] == [True, False, False] * 2
    assert facts['A']['precision'] == 'float32' and not (tmp_path / 'runs').exists()


def test_each_moment_belongs_to_one_part(monkeypatch):
    """Two iterations, the second three times as slow, with 1 s of hooks in each; then 100 s of validation."""
    clock, epoch = [0.0], RunnerTraining.__new__(RunnerTraining)
    monkeypatch.setattr(measuring.time, 'perf_counter', lambda: clock[0])

    def train() -> None:
        for slower in (1, 3):
            for part, seconds in (('data', 1), ('forward', 2), ('backward', 4), ('step', 8)):
                clock[0] += seconds * slower
                epoch._mark(part)
            clock[0] += 1
            epoch._end_iteration(images=3)

    def validate() -> int:
        clock[0] += 100
        return 5

    epoch._train, epoch._validate = train, validate
    found = epoch.measure()
    expected = dict(data=2e3, prepare=0, forward=4e3, backward=8e3, step=16e3, other=1e3)
    assert found['split_ms'] == pytest.approx(expected) and found['iteration_ms'] == 31e3
    assert found['seconds'] == dict(epoch=162, training=62, validation=100)
    assert found['images'] == dict(epoch=6, training=6, validation=5)

"""A benchmark compares like with like, its parts add up, and its ratios are those of its own numbers."""

import json
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import loader_options
from mmengine.config import Config
from mmengine.registry import DATASETS

from custom_modules.benchmark import levers, nearest_unet, stopwatch
from custom_modules.benchmark.benchmark_config import benchmark_config
from custom_modules.benchmark.benchmark_parser import benchmark_parser
from custom_modules.benchmark.config_predictor import ConfigPredictor
from custom_modules.benchmark.contestant import Contestant
from custom_modules.benchmark.in_turn import in_turn
from custom_modules.benchmark.limit_predictor import LimitPredictor
from custom_modules.benchmark.memory_batches import MemoryBatches
from custom_modules.benchmark.png_pairs import PngPairs
from custom_modules.benchmark.seat import Seat
from custom_modules.benchmark.segmentor_loop import SegmentorLoop
from custom_modules.benchmark.stock_config import stock_config
from custom_modules.benchmark.stopwatch import PARTS, Stopwatch
from custom_modules.benchmark.train_contestants import lever_contestants
from custom_modules.benchmark.train_summary import train_summary
from custom_modules.utils.errors import UsageError

SMALL = [
    *loader_options(**{'dataset.load_size': '(64,64)'}),
    'model.backbone.widths=[4,4,4,4,4]',
]
WNIDS = ['n00000001', 'n00000002', 'n00000003']
SHARED = ['--threads', 1, '--workers', 0]


@pytest.fixture(autouse=True)
def in_threads(monkeypatch):
    """Seats in threads of this process: a process each would import everything anew."""
    monkeypatch.setattr(Seat, 'start', staticmethod(threading.Thread))
    # one candidate: it takes a second to make them all
    monkeypatch.setattr(nearest_unet, 'ENCODERS', nearest_unet.ENCODERS[:1])
    monkeypatch.setattr(nearest_unet, 'WIDTHS', nearest_unet.WIDTHS[:1])


@pytest.fixture
def measure(tool, moon, repository, tmp_path, monkeypatch):
    """Run a command on ten generated pairs, of which eight are for training; returns its JSON."""
    monkeypatch.setenv('MOON_DATA', str(moon))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    config = repository / 'configs' / 'unet_baseline.py'

    def run(command: str, *arguments, options=()) -> dict:
        out = tmp_path / 'out'
        line = [
            command,
            config,
            *arguments,
            *SHARED,
            '--out',
            out,
            '--cfg-options',
            *SMALL,
            *options,
        ]
        assert tool('benchmark.py', *line) == 0
        # nothing of the contestants stays
        assert sorted(path.name for path in out.iterdir()) == [f'{command}.json', f'{command}.md']
        return json.loads((out / f'{command}.json').read_text())

    return run


def counting(monkeypatch, owner, name: str) -> list:
    """Let a function count its calls."""
    calls, function = [], getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_train_compares_like_with_like(measure, tool, tmp_path, monkeypatch, capsys):
    from mmcv.transforms import LoadImageFromFile
    from mmseg.datasets.transforms import Resize

    decoded = counting(monkeypatch, LoadImageFromFile, 'transform')
    resized = counting(monkeypatch, Resize, 'transform')
    results = measure('train', '--epochs', 2, '--repeats', 1, '--batch', 4)
    found = results['contestants']
    assert list(found)[:3] == ['project', 'stock', 'limit']
    assert ('smp' in found) != ('smp' in results['left_out'])
    for one in found.values():
        assert (one['train_images'], one['val_images']) == (8, 2)
        assert [epoch['warm_up'] for epoch in one['epochs']] == [True, False]
        parts = sum(one['split_ms'][part] for part in PARTS)
        assert parts == pytest.approx(one['iteration_ms']['mean'], rel=1e-6)
        # two iterations are most of an epoch's training
        (timed,) = (epoch for epoch in one['epochs'] if not epoch['warm_up'])
        assert 2 * parts / 1000 <= timed['train_seconds'] * 1.001
        assert timed['train_seconds'] + timed['val_seconds'] == pytest.approx(timed['seconds'])
        assert all(one['split_ms'][part] > 0 for part in ('data', 'forward', 'backward', 'step'))
    assert len({found[name]['parameters'] for name in ('project', 'stock', 'limit')}) == 1
    assert len({found[name]['gmac'] for name in ('project', 'stock', 'limit')}) == 1
    for name, ratio in results['ratios'].items():
        for key in ('seconds', 'train_seconds'):
            medians = [found[n][key]['median'] for n in (name, 'project')]
            assert ratio[key]['ratio'] == medians[0] / medians[1]
    # stock decodes each of its 10 images in both epochs, and nobody else uses mmcv's Resize
    assert len(resized) == 2 * (8 + 2)
    # each decoded once more: by the config that has no cache, and by the limit, once for all
    assert len(decoded) >= len(resized)
    assert results['machine']['threads'] == 1 and results['machine']['versions']['torch']
    capsys.readouterr()
    assert tool('benchmark.py', 'table', tmp_path / 'out' / 'train.json') == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (tmp_path / 'out' / 'train.md').read_text().strip()
    assert f'{results["ratios"]["stock"]["seconds"]["ratio"]:.2f}' in printed
    assert results['settings']['batch'] == 4 and results['command'].startswith('python tools/')


def test_a_classifier_is_compared_with_stock_mmpretrain(
    tool, tiny_imagenet, repository, tmp_path, monkeypatch
):
    from mmcv.transforms import LoadImageFromFile
    from mmpretrain.datasets.transforms import ResizeEdge

    monkeypatch.setenv('TINY_IMAGENET', str(tiny_imagenet))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    # whoever imports it fails
    monkeypatch.setitem(sys.modules, 'mmseg', None)
    decoded = counting(monkeypatch, LoadImageFromFile, 'transform')
    resized = counting(monkeypatch, ResizeEdge, 'transform')
    options = [
        *loader_options(**{'dataset.wnids': f'[{",".join(WNIDS)}]'}),
        'train_dataloader.batch_size=4',
        'model.head.num_classes=3',
        'model.head.topk=(1,2)',
        *(f'{part}_evaluator.0.topk=(1,2)' for part in ('val', 'test')),
        'model.backbone.widths=[4,4,4,4,4]',
        'model.backbone.depths=[1,1,1,1]',
        'model.head.in_channels=4',
    ]
    line = ['train', repository / 'configs' / 'classifier.py', '--pairs', 9, *SHARED]
    line += ['--epochs', 2, '--repeats', 1, '--out', tmp_path / 'out']
    assert tool('benchmark.py', *line, '--cfg-options', *options) == 0
    results = json.loads((tmp_path / 'out' / 'train.json').read_text())
    found = results['contestants']
    assert list(found) == ['project', 'stock', 'limit'] and not results['left_out']
    assert 'plain MMPretrain' in found['stock']['title']
    for one in found.values():
        assert (one['train_images'], one['val_images']) == (9, 2)
        parts = sum(one['split_ms'][part] for part in PARTS)
        assert parts == pytest.approx(one['iteration_ms']['mean'], rel=1e-6)
    assert len({(one['parameters'], one['gmac']) for one in found.values()}) == 1
    # stock alone, in both epochs; its training images are cropped, not resized
    assert len(resized) == 2 * 2
    # stock 2 epochs of 11, the cache and the limit once each
    assert len(decoded) == 2 * 11 + 11 + 11


def test_pairs_are_spread_over_the_classes(tiny_imagenet, repository, monkeypatch):
    monkeypatch.setenv('TINY_IMAGENET', str(tiny_imagenet))
    config = str(repository / 'configs' / 'reference' / 'report2_simple_net_classifier.py')
    wnids = {f'{part}_dataloader.dataset.wnids': WNIDS for part in ('train', 'val', 'test')}
    line = benchmark_parser('').parse_args(['train', config, '--pairs', '6'])
    line.cfg_options = wnids | {'model.head.num_classes': 3}
    cfg = benchmark_config(line)
    with DATASETS.switch_scope_and_registry('mmpretrain') as registry:
        train = registry.build(dict(cfg.train_dataloader.dataset, cache=None))
    labels = [train.get_data_info(i)['gt_label'] for i in range(len(train))]
    assert labels == [0, 0, 1, 1, 2, 2]
    assert len(cfg.val_dataloader.dataset.indices) == 1


def test_stock_classifier_has_none_of_the_fast_path(repository):
    cfg = Config.fromfile(repository / 'configs' / 'classifier.py')
    stock = stock_config(cfg, workers=2)
    text = stock.pretty_text
    for word in (
        'cache',
        'fused',
        'compile',
        'ChannelsLast',
        'Lazy',
        'ClassificationReport',
        'mmseg',
    ):
        assert word not in text, word
    assert stock.train_dataloader.dataset.pipeline[1] == dict(type='RandomResizedCrop', scale=128)
    # mmpretrain's 256 for 224, at 128
    edge, crop = stock.val_dataloader.dataset.pipeline[1:3]
    assert (edge.scale, crop.crop_size) == (146, 128)
    assert stock.val_evaluator == dict(type='Accuracy', topk=(1, 5))
    assert stock.model.head == cfg.model.head and stock.model.type == 'ImageClassifier'
    assert stock.optim_wrapper.optimizer.lr == cfg.optim_wrapper.optimizer.lr


def test_data_reads_every_image_twice(measure):
    results = measure('data', '--repeats', 2, '--batch', 4, '--pairs', 8)
    # no workers in the config, none for the others
    found = list(results['contestants'])
    assert found[:3] == ['project_alone', 'stock_alone', 'limit']
    assert ('smp_alone' in found) != ('smp' in results['left_out'])
    assert len(found) == 3 + ('smp_alone' in found)
    # in turn: each repeat has one of each
    for place, name in enumerate(found):
        orders = [turn['order'] for turn in results['contestants'][name]['turns']]
        assert orders == [place, place + len(found)]
    for one in results['contestants'].values():
        assert one['images'] == 8 and len(one['turns']) == 2
        for key, largest in one['memory_mib'].items():
            if largest is not None:
                assert largest == max(turn['memory_mib'][key] for turn in one['turns'])
        assert one['build_seconds']['n'] == 2
        for epoch in ('first', 'second'):
            rate = 8 / one[f'{epoch}_seconds']['median']
            assert one[f'{epoch}_images_per_second'] == rate
    for epoch in ('first_seconds', 'second_seconds'):
        for other in found[1:]:
            theirs, mine = (
                results['contestants'][name][epoch]['median'] for name in (other, 'project_alone')
            )
            assert results['ratios'][other][epoch]['ratio'] == theirs / mine


def test_infer_counts_batches(measure):
    results = measure('infer', '--repeats', 2, '--images', 3, '--batch', 1, 2)
    found = results['contestants']
    assert list(found)[:3] == ['project', 'stock', 'limit']
    assert ('smp' in found) != ('smp' in results['left_out'])
    for place, one in enumerate(found.values()):
        assert [turn['order'] for turn in one['turns']] == [
            place + i * len(found) for i in range(3)
        ]
        assert one['memory_mib']['main'] in [turn['memory_mib']['main'] for turn in one['turns']]
    # the config's network alone is channels-last already
    assert 'network_1' not in found['limit'] and 'files_1' in found['limit']
    assert set(results['ratios']['limit']) == {'files_1', 'files_2'}
    assert found['limit']['parameters'] == found['project']['parameters']
    project = found['project']
    # 3 images: 3 calls of one, 2 of two; the first of 3 rounds does not count
    assert project['network_1']['latency_ms']['n'] == project['files_1']['latency_ms']['n'] == 6
    assert project['files_2']['latency_ms']['n'] == 4
    latency = project['files_2']['latency_ms']
    assert latency['p95'] >= latency['median'] > 0
    assert project['files_2']['images_per_second'] == 2000 / latency['median']
    stock = results['contestants']['stock']['network_2']['latency_ms']['median']
    assert results['ratios']['stock']['network_2']['ratio'] == (
        stock / project['network_2']['latency_ms']['median']
    )


def test_the_limit_predicts_what_the_config_does(moon, repository, monkeypatch):
    monkeypatch.setenv('MOON_DATA', str(moon))
    line = benchmark_parser('').parse_args(['infer', str(repository / 'configs/unet_baseline.py')])
    line.cfg_options = {
        'model.backbone.widths': [4, 4, 4, 4, 4],
        **{f'{part}_dataloader.dataset.load_size': (64, 64) for part in ('train', 'val')},
        'default_hooks.channels_last.enabled': False,
    }
    cfg = benchmark_config(line).to_dict()
    predictors = []
    for kind in (ConfigPredictor, LimitPredictor):
        torch.manual_seed(0)
        predictors.append(kind(cfg))
    project, limit = predictors
    # in the layout that the config has not, its network is another measurement
    assert limit.kinds == ('network', 'files')
    assert limit.inputs(2).is_contiguous(memory_format=torch.channels_last)
    assert project.inputs(2).is_contiguous()
    with torch.inference_mode():
        middle = project.network(limit.images[:2].permute(0, 3, 1, 2)).median()
        for one in predictors:
            # random weights find one class everywhere
            one.model.decode_head.conv_seg.bias -= middle
        theirs = torch.cat(project.predict([0, 1]))
        mine = limit.predict([0, 1])
    assert mine.shape == (2, 64, 64)
    # layouts round apart
    assert (mine == theirs).float().mean() > 0.99 and 0 < mine.float().mean() < 1


def test_memory_batches_hold_each_image_once():
    data = torch.arange(5).float().view(5, 1, 1, 1).expand(5, 4, 6, 3), torch.arange(5)
    for drop_last, sizes in ((False, [2, 2, 1]), (True, [2, 2])):
        batches = list(MemoryBatches(data, 2, shuffle=True, drop_last=drop_last))
        assert [len(images) for images, _ in batches] == sizes
        seen = torch.cat([labels for _, labels in batches])
        assert len(seen.unique()) == sum(sizes)
        for images, labels in batches:
            assert images.shape[1:] == (3, 4, 6)
            assert torch.equal(images[:, 0, 0, 0].long(), labels)
    plain = MemoryBatches(data, 2, shuffle=False)
    assert torch.cat([labels for _, labels in plain]).tolist() == [0, 1, 2, 3, 4]


def test_mistakes_are_one_sentence(tool, moon, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MOON_DATA', str(moon))
    configs = repository / 'configs'
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'train.json').write_text('{}')
    for arguments, sentence in (
        (['train', 'configs/none.py'], 'there is no config'),
        (['infer', configs / 'classifier.py'], 'infer measures segmentors only'),
        (
            [
                'data',
                configs / 'unet_baseline.py',
                '--cfg-options',
                'train_dataloader.dataset.load_size=None',
            ],
            'has no load_size',
        ),
        (
            [
                'train',
                configs / 'unet_baseline.py',
                '--cfg-options',
                'train_dataloader.dataset.load_size=(96,64)',
                # RandomFlip, whose prob it keeps
                'train_dataloader.dataset.pipeline.3.type=RandomZoom',
                'train_dataloader.dataset.pipeline.3.size=(48,32)',
            ],
            'zooms (RandomZoom) to (48, 32) in pairs that are loaded at (96, 64)',
        ),
        (['data', configs / 'classifier.py', '--data', 5], '--data renders pairs for segmentors'),
        (['train', configs / 'unet_baseline.py', '--pairs', 99], 'train part, which has 8'),
        (['train', configs / 'unet_baseline.py', '--data', 5], 'MOON_DATA names'),
        (['train', configs / 'unet_baseline.py', '--levers', 'magic'], "no lever 'magic'"),
        (['train', configs / 'unet_baseline.py', '--out', tmp_path / 'full'], 'exists already'),
        (['infer', configs / 'unet_baseline.py', 'none.pth'], 'there is no checkpoint'),
        (['table', tmp_path / 'full' / 'train.json'], "not a benchmark's JSON file"),
    ):
        out = [] if '--out' in arguments or 'table' in arguments else ['--out', tmp_path / 'out']
        assert tool('benchmark.py', *arguments, *out) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def play_counting(turn, order: list, name: str) -> None:
    turn.report(dict(parameters=1, gmac=1.0, device='cpu'))
    while True:
        turn.wait()
        order.append(name)
        turn.report(dict(seconds=float(len(order))))


def test_contestants_alternate(tmp_path):
    order: list = []
    contestants = [Contestant(n, n, play_counting, (order, n)) for n in 'ABC']
    said: list = []
    facts, turns = in_turn(contestants, 3, 2, tmp_path / 'runs', threads=1, say=said.append)
    assert ''.join(order) == 'ABC' * 6 and len(said) == 18
    assert [turn['order'] for turn in turns['B']] == [1, 4, 7, 10, 13, 16]
    assert [turn['repeat'] for turn in turns['C']] == [0, 0, 0, 1, 1, 1]
    assert [turn['warm_up'] for turn in turns['A']] == [True, False, False] * 2
    assert facts['A']['title'] == 'A' and not (tmp_path / 'runs').exists()


def play_failing(turn, error: Exception) -> None:
    raise error


def test_a_failure_is_told_and_nothing_stays(tmp_path):
    for error, told in ((UsageError('mend it.'), UsageError), (KeyError('x'), RuntimeError)):
        one = Contestant('A', 'A', play_failing, (error,))
        with pytest.raises(told, match='mend it|KeyError'):
            in_turn([one], 1, 1, tmp_path / 'runs', threads=1)
    assert not (tmp_path / 'runs').exists()


def test_each_moment_belongs_to_one_part(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(stopwatch.time, 'perf_counter', lambda: now[0])
    watch = Stopwatch()
    watch.begin(split=False)
    for iteration in range(2):
        for part, seconds in (('data', 1), ('forward', 2), ('backward', 4), ('step', 8)):
            now[0] += seconds * (1 + 2 * iteration)
            watch.mark(part)
        now[0] += 1
        watch.end_iteration(images=3)
    watch.end()
    # validation
    now[0] += 100
    watch.mark('forward')
    summary = watch.summary()
    # the second took three times as long: a mean of two, with 1 s of hooks in each
    expected = dict(data=2e3, prepare=0, forward=4e3, backward=8e3, step=16e3, other=1e3)
    assert summary['split_ms'] == pytest.approx(expected)
    assert summary['iteration_ms'] == pytest.approx(dict(mean=31e3, median=31e3))
    assert summary['data_share'] == pytest.approx(2 / 31)
    assert watch.images == 6


def test_the_limit_has_the_precision_of_the_others():
    """The network in bfloat16 where it trains, losses and validation in float32."""
    seen = []

    def term(logits, labels, ignore_index):
        seen.append(('loss', logits.dtype))
        return logits.mean()

    class Head(torch.nn.Conv2d):
        num_classes, ignore_index, align_corners = 2, 255, False
        loss_decode = staticmethod(term)

    loop = object.__new__(SegmentorLoop)
    loop.model = torch.nn.Module()
    loop.model.backbone, loop.model.decode_head = torch.nn.Identity(), Head(3, 1, 1)
    loop.model.decode_head.register_forward_hook(
        lambda layer, images, out: seen.append((layer.training, out.dtype))
    )
    loop.device, loop.batch, loop.drop_last, loop.compiled = torch.device('cpu'), 2, False, None
    loop.train_set = loop.val_set = torch.rand(2, 8, 8, 3), torch.ones(2, 16, 16).long()
    loop.val_set = loop.val_set[0], loop.val_set[1][:, :8, :8]
    loop._set_optimizer(dict(type='BFloat16OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    loop.train(Stopwatch())
    assert loop.validate() == 2
    assert seen == [(True, torch.bfloat16), ('loss', torch.float32), (False, torch.float32)]


def turn(seconds: float, **values) -> dict:
    parts = dict.fromkeys(PARTS, 1.0)
    marks = dict(
        warm_up=False, split=False, train_images=8, val_images=2, memory_mib=dict(main=1.0)
    )
    times = dict(seconds=seconds, train_seconds=seconds / 2, val_seconds=seconds / 2)
    share = dict(split_ms=parts, iteration_ms=dict(mean=6.0, median=6.0))
    return marks | times | share | values


def test_medians_and_ratios_by_hand():
    warm = turn(1000.0, warm_up=True, memory_mib=dict(main=7.0))
    # on a GPU the parts come from an epoch whose time does not count
    last = turn(500.0, split=True, split_ms=dict.fromkeys(PARTS, 2.0))
    turns = dict(
        a=[warm, turn(1.0), turn(2.0), turn(9.0), last],
        b=[warm, turn(3.0), turn(4.0), turn(9.0), last],
    )
    contestants, ratios = train_summary(dict(a={}, b={}), turns)
    assert contestants['a']['seconds'] == dict(median=2.0, q1=1.5, q3=5.5, iqr=4.0, n=3)
    assert contestants['a']['images_per_second'] == 8.0
    assert contestants['a']['memory_mib'] == dict(main=7.0)
    assert contestants['a']['split_ms'] == dict.fromkeys(PARTS, 2.0)
    # b takes twice as long as a: a is twice as fast
    assert ratios['b']['seconds']['ratio'] == 2.0
    assert ratios['b']['seconds']['rounds']['median'] == 2.0


def test_stock_has_none_of_the_fast_path(repository):
    cfg = Config.fromfile(repository / 'configs' / 'unet_backbone_frozen.py')
    cfg.train_dataloader.dataset.cache = 'ram'
    cfg.optim_wrapper.optimizer.fused = True
    cfg.model.data_preprocessor.update(type='BatchAugPreProcessor', augments=[dict(type='Flip')])
    cfg.default_hooks.compile = dict(type='CompileHook', enabled=True)
    stock = stock_config(cfg, workers=2)
    text = stock.pretty_text
    for word in (
        'cache',
        'fused',
        'augments',
        'compile',
        'ChannelsLast',
        'ResizeToLoadSize',
        'Class',
    ):
        assert word not in text.replace('FreezeSchedule', ''), word
    assert stock.model.type == 'StockSegmentor' and stock.val_dataloader.batch_size == 1
    assert stock.optim_wrapper.optimizer.lr == cfg.optim_wrapper.optimizer.lr
    assert stock.model.decode_head == cfg.model.decode_head
    assert stock.default_hooks.freeze_schedule == cfg.default_hooks.freeze_schedule
    assert cfg.train_dataloader.dataset.cache == 'ram'


def test_stock_head_computes_acc_seg(repository):
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import custom_modules.benchmark.stock_segmentor  # noqa: F401

    init_default_scope('mmseg')
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.model.backbone.widths = [4, 4, 4, 4, 4]
    model = MODELS.build(stock_config(cfg, 0).model)
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, 32, 32, dtype=torch.long)))
    losses = model.loss(torch.rand(2, 3, 32, 32), [sample, sample])
    assert set(losses) == {'decode.loss_bce', 'decode.loss_dice', 'decode.acc_seg'}


def test_levers_move_what_is_there():
    cfg = Config(dict(default_hooks=dict(channels_last=dict(), compile=dict(enabled=True))))
    for lever in ('channels_last', 'compile'):
        name, other = levers.pull(cfg, lever)
        assert name == f'without {lever}' and other.default_hooks[lever].enabled is False
        assert levers.pull(other, lever)[0] == f'with {lever}'
    cfg = Config(
        dict(
            model=dict(data_preprocessor=dict(type='SegDataPreProcessor', mean=[1])),
            train_dataloader=dict(dataset=dict(pipeline=[dict(type='Old')])),
        )
    )
    name, on = levers.pull(cfg, 'batch_augmentation')
    assert name == 'with batch_augmentation' and on.model.data_preprocessor.mean == [1]
    assert on.model.data_preprocessor.type == 'BatchAugPreProcessor'
    assert [t.type for t in on.train_dataloader.dataset.pipeline][-2:] == [
        'ResizeToLoadSize',
        'PackSegInputs',
    ]
    name, off = levers.pull(on, 'batch_augmentation')
    assert name == 'without batch_augmentation' and off.model.data_preprocessor.augments == []
    assert 'RandomRotate' in [t.type for t in off.train_dataloader.dataset.pipeline]
    assert cfg.train_dataloader.dataset.pipeline == [dict(type='Old')]


def test_lever_contestants_differ_in_one_lever(repository, tmp_path):
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    names = ['channels_last', 'batched_validation']
    cfg.val_dataloader.batch_size = 8
    first, *others, control = lever_contestants(cfg, tmp_path, 3, names)
    assert [one.name for one in others] == [f'without {name}' for name in names]
    own = first.args[0]
    assert own['train_cfg']['max_epochs'] == 3
    for one, key in zip(others, ('default_hooks', 'val_dataloader'), strict=True):
        other = one.args[0]
        changed = {k for k in own if own[k] != other[k]} - {'work_dir', 'experiment_name'}
        assert changed == {key} and other['work_dir'] != own['work_dir']
    again = control.args[0]
    assert control.name == 'unchanged'
    assert {k for k in own if own[k] != again[k]} == {'work_dir', 'experiment_name'}


def test_a_lever_that_the_config_lacks_is_refused():
    cfg = Config(dict(default_hooks=dict(), val_dataloader=dict(dataset=dict())))
    for lever in levers.LEVERS:
        with pytest.raises(UsageError, match=f'the lever {lever} moves .*, which this config'):
            levers.pull(cfg, lever)


def test_png_pairs_read_what_is_in_the_files(tmp_path: Path):
    image = np.zeros((8, 16, 3), np.uint8)
    # OpenCV writes BGR: this is red
    image[:, :, 2] = 200
    mask = np.zeros((8, 16), np.uint8)
    mask[:, 8:] = 255
    for name, array in (('image', image), ('mask', mask)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), array)
    files = [(str(tmp_path / 'image.png'), str(tmp_path / 'mask.png'))]
    norm = ([100.0, 0.0, 0.0], [50.0, 1.0, 1.0])
    inputs, label = PngPairs(files, (8, 4), {255: 1}, *norm, flip=False)[0]
    assert inputs.shape == (3, 4, 8) and label.shape == (4, 8)
    assert inputs[:, 0, 0].tolist() == [2.0, 0.0, 0.0]
    assert label[0].tolist() == [0] * 4 + [1] * 4

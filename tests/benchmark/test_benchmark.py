"""A benchmark compares like with like, its parts add up, and its ratios are those of its own numbers."""

import json
import sys
import threading

import cv2
import numpy as np
import pytest
import torch
from conftest import loader_options
from mmengine.config import Config

from custom_modules.benchmark import contestants, measuring, smp
from custom_modules.benchmark.contestants import LEVERS, pull, take, training_contestants
from custom_modules.benchmark.measuring import PARTS, Contestant, ContestantProcess, Stopwatch
from custom_modules.benchmark.prediction import BarePrediction, ConfigPrediction
from custom_modules.benchmark.stock import stock_config
from custom_modules.benchmark.tables import summarize
from custom_modules.benchmark.training import BareTraining, StockTraining, memory_batches
from custom_modules.utils.errors import UsageError

SMALL = [*loader_options(**{'dataset.load_size': '(64,64)'}), 'model.backbone.widths=[4,4,4,4,4]']
WNIDS = ['n00000001', 'n00000002', 'n00000003']
SHARED = ['--threads', 1, '--workers', 0]


@pytest.fixture(autouse=True)
def in_threads(monkeypatch):
    """Contestants in threads of this process: a process each would import everything anew."""
    monkeypatch.setattr(ContestantProcess, 'start', staticmethod(threading.Thread))
    # one candidate: it takes a second to make them all
    monkeypatch.setattr(smp, 'ENCODERS', smp.ENCODERS[:1])
    monkeypatch.setattr(smp, 'WIDTHS', smp.WIDTHS[:1])


@pytest.fixture
def measure(tool, moon, repository, tmp_path, monkeypatch):
    """Run a command on ten generated pairs, of which eight are for training; returns its JSON."""
    monkeypatch.setenv('MOON_DATA', str(moon))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')

    def run(command: str, *arguments, options=()) -> dict:
        config, out = repository / 'configs' / 'unet_baseline.py', tmp_path / 'out'
        line = [command, config, *arguments, *SHARED, '--out', out, '--cfg-options', *SMALL]
        assert tool('benchmark.py', *line, *options) == 0
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


def require_sound_training(found: dict, train: int, val: int) -> None:
    for one in found.values():
        assert one['images'] == dict(epoch=train, training=train, validation=val)
        assert sum(one['split_ms'].values()) == pytest.approx(one['iteration_ms'], rel=1e-6)
        assert all(one['split_ms'][part] > 0 for part in ('data', 'forward', 'backward', 'step'))
        assert [r['warm_up'] for r in one['rounds']] == [True, False]
        seconds = one['rounds'][1]['seconds']
        assert seconds['training'] + seconds['validation'] == pytest.approx(seconds['epoch'])


def test_train_compares_like_with_like(measure, tool, tmp_path, monkeypatch, capsys):
    from mmseg.datasets.transforms import Resize

    resized = counting(monkeypatch, Resize, 'transform')
    half = ['optim_wrapper.type=BFloat16OptimWrapper']
    results = measure('train', '--epochs', 2, '--repeats', 1, '--batch', 4, options=half)
    found, ratios = results['contestants'], results['ratios']
    precisions = {name: one['precision'] for name, one in found.items()}
    assert ('smp' in precisions) != bool(results['left_out'])
    precisions.pop('smp', None)
    # stock as anyone can run it, and in the project's precision
    assert precisions == {
        'project': 'bfloat16',
        'stock': 'float32',
        'stock bfloat16': 'bfloat16',
        'bare loop': 'bfloat16',
    }
    require_sound_training(found, train=8, val=2)
    assert len({(found[name]['parameters'], found[name]['gmac']) for name in precisions}) == 1
    for name, ratio in ratios.items():
        medians = [found[n]['seconds']['training']['median'] for n in (name, 'project')]
        assert ratio['training']['ratio'] == medians[0] / medians[1]
    # each stock reads each of its 10 images in both epochs; nobody else uses mmcv's Resize
    assert len(resized) == 2 * 2 * (8 + 2)
    assert results['machine']['threads'] == 1 and results['settings']['batch'] == 4
    capsys.readouterr()
    assert tool('benchmark.py', 'table', tmp_path / 'out' / 'train.json') == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (tmp_path / 'out' / 'train.md').read_text().strip()
    assert f'{ratios["stock"]["epoch"]["ratio"]:.2f}' in printed


def test_a_classifier_is_compared_with_stock_mmpretrain(
    tool, tiny_imagenet, repository, tmp_path, monkeypatch
):
    from mmpretrain.datasets.transforms import ResizeEdge

    monkeypatch.setenv('TINY_IMAGENET', str(tiny_imagenet))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    # whoever imports it fails
    monkeypatch.setitem(sys.modules, 'mmseg', None)
    resized = counting(monkeypatch, ResizeEdge, 'transform')
    options = [
        *loader_options(**{'dataset.wnids': f'[{",".join(WNIDS)}]'}),
        'model.head.num_classes=3',
        'model.head.topk=(1,2)',
        *(f'{part}_evaluator.0.topk=(1,2)' for part in ('val', 'test')),
        'model.backbone.widths=[4,4,4,4,4]',
        'model.backbone.depths=[1,1,1,1]',
        'model.head.in_channels=4',
    ]
    line = ['train', repository / 'configs' / 'classifier.py', '--pairs', 9, *SHARED, '--batch', 4]
    line += ['--epochs', 2, '--repeats', 1, '--out', tmp_path / 'out']
    assert tool('benchmark.py', *line, '--cfg-options', *options) == 0
    results = json.loads((tmp_path / 'out' / 'train.json').read_text())
    assert list(results['contestants']) == ['project', 'stock', 'bare loop']
    assert 'plain MMPretrain' in results['contestants']['stock']['title']
    require_sound_training(results['contestants'], train=9, val=2)
    # stock alone, in both epochs; its training images are cropped, not resized
    assert len(resized) == 2 * 2


def test_pairs_are_spread_over_the_classes(tiny_imagenet):
    import custom_modules.classification  # noqa: F401

    dataset = dict(type='TinyImageNet', data_root=str(tiny_imagenet), wnids=WNIDS)
    cfg = Config(dict(default_scope='mmpretrain', train_dataloader=dict(dataset=dataset)))
    with pytest.raises(UsageError, match='train part, which has 18'):
        take(cfg, 'train', 19)
    take(cfg, 'train', 6)
    assert cfg.train_dataloader.dataset.indices == [0, 3, 6, 9, 12, 15]


def test_stock_has_none_of_the_fast_path(repository):
    cfg = Config.fromfile(repository / 'configs' / 'unet_backbone_frozen.py')
    cfg.model.data_preprocessor.update(type='BatchAugPreProcessor', augments=[dict(type='Flip')])
    cfg.default_hooks.compile = dict(type='CompileHook', enabled=True)
    cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    stock = stock_config(cfg, (96, 64), 2, 'float32')
    text = stock.pretty_text.replace('FreezeSchedule', '')
    fast = ['cache=', 'fused', 'augments', 'compile', 'ChannelsLast', 'ResizeToLoadSize']
    assert not [word for word in [*fast, 'Class', 'BFloat16'] if word in text]
    assert stock.model.type == 'EncoderDecoder' and stock.val_dataloader.batch_size == 1
    assert stock.model.data_preprocessor.size == (64, 96)
    assert stock.val_dataloader.dataset.pipeline[1].scale == (96, 64)
    assert stock.optim_wrapper.optimizer.lr == cfg.optim_wrapper.optimizer.lr
    assert stock.model.decode_head.loss_decode == cfg.model.decode_head.loss_decode
    assert stock.default_hooks.freeze_schedule == cfg.default_hooks.freeze_schedule
    assert stock_config(cfg, (96, 64), 2, 'as given').optim_wrapper.type == 'BFloat16OptimWrapper'
    assert stock_config(cfg, (96, 64), 2, 'amp').optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.train_dataloader.dataset.cache == 'ram'


def test_stock_classifier_has_none_of_the_fast_path(repository):
    cfg = Config.fromfile(repository / 'configs' / 'classifier.py')
    stock = stock_config(cfg, (128, 128), 2, 'float32')
    fast = ['cache=', 'fused', 'compile', 'ChannelsLast', 'Lazy', 'ClassificationReport', 'mmseg']
    assert not [word for word in fast if word in stock.pretty_text]
    # mmpretrain's 256 for 224, at 128
    edge, crop = stock.val_dataloader.dataset.pipeline[1:3]
    assert (edge.scale, crop.crop_size) == (146, 128)
    assert stock.val_evaluator == dict(type='Accuracy', topk=(1, 5))
    assert stock.model.head == cfg.model.head and stock.model.type == 'ImageClassifier'


def test_stock_head_computes_acc_seg(repository):
    from mmengine.registry import init_default_scope
    from mmengine.structures import PixelData
    from mmseg.registry import MODELS
    from mmseg.structures import SegDataSample

    init_default_scope('mmseg')
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.model.backbone.widths = [4, 4, 4, 4, 4]
    stock = stock_config(cfg, (32, 32), 0, 'float32')
    one = StockTraining('stock', '', stock, (32, 32))
    one.model, one.loop = MODELS.build(stock.model), type('Loop', (), dict(begin=lambda *_: None))()
    assert one.build()['parameters'] > 0
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, 32, 32, dtype=torch.long)))
    losses = one.model.loss(torch.rand(2, 3, 32, 32), [sample, sample])
    assert set(losses) == {'decode.loss_bce', 'decode.loss_dice', 'decode.acc_seg'}


def test_infer_counts_batches(measure, monkeypatch):
    results = measure('infer', '--repeats', 2, '--images', 3, '--batch', 1, 2)
    found = results['contestants']
    assert list(found)[:3] == ['project', 'stock', 'bare loop']
    kinds = ['network_1', 'files_1', 'network_2', 'files_2']
    for place, one in enumerate(found.values()):
        # in turn, and the first of three rounds does not count
        assert [r['order'] for r in one['rounds']] == [place + i * len(found) for i in range(3)]
        assert list(one['seconds']) == kinds and one['seconds']['files_2']['n'] == 2
        assert one['images_per_second']['files_2'] == 2 / one['seconds']['files_2']['median']
    ratio = results['ratios']['stock']['network_2']['ratio']
    medians = [found[n]['seconds']['network_2']['median'] for n in ('stock', 'project')]
    assert ratio == medians[0] / medians[1]


def test_exported_files_are_compared_with_pytorch(measure, repository, tmp_path, moon, monkeypatch):
    pytest.importorskip('onnxscript')
    from mmengine.registry import MODELS, init_default_scope

    from custom_modules.benchmark.prediction import ExportedPrediction
    from custom_modules.deploy.export import export_onnx
    from custom_modules.deploy.torch_model import TorchModel

    # a compiler takes minutes
    monkeypatch.setenv('CXX', 'no compiler')
    config, weights = tmp_path / 'small.py', tmp_path / 'small.pth'
    base = (repository / 'configs' / 'unet_baseline.py').as_posix()
    size = 'dataset=dict(load_size=(64, 64))'
    config.write_text(
        f'_base_ = [{base!r}]\nmodel = dict(backbone=dict(widths=[4, 4, 4, 4, 4]))\n'
        f'val_dataloader = dict({size})\ntest_dataloader = val_dataloader\n'
    )
    cfg = Config.fromfile(config)
    init_default_scope('mmseg')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), weights)
    exported = tmp_path / 'small.onnx'
    exported.write_bytes(export_onnx(TorchModel(config, weights, device='cpu')))
    results = measure('infer', weights, exported, '--repeats', 1, '--images', 2, '--batch', 2)
    found = results['contestants']
    assert list(found) == ['PyTorch, 1 thread', 'small.onnx, 1 thread']
    assert 'MiB' in found['small.onnx, 1 thread']['title']
    assert found['small.onnx, 1 thread']['seconds']['network_2']['n'] == 1
    both = [
        ConfigPrediction('', '', cfg, (64, 64), str(weights)),
        ExportedPrediction('', '', cfg, (64, 64), str(exported)),
    ]
    for one in both:
        one.build()
    mine, theirs = (
        np.concatenate([np.asarray(m).reshape(-1) for m in one.files([0, 1])]) for one in both
    )
    assert (mine == theirs).mean() > 0.999
    forms = contestants.prediction_contestants(cfg, (64, 64), [str(exported)], [1], 1, 2)
    assert [(one.name, one.threads) for one in forms][::2] == [
        ('PyTorch, 2 threads', 2),
        ('PyTorch, 1 thread', 1),
    ]


def test_the_bare_loop_predicts_what_the_config_does(moon, repository, monkeypatch):
    monkeypatch.setenv('MOON_DATA', str(moon))
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.merge_from_dict({'model.backbone.widths': [4] * 5})
    for part in ('train', 'val'):
        cfg[f'{part}_dataloader'].dataset.load_size = (64, 64)
    found = []
    for kind in (ConfigPrediction, BarePrediction):
        torch.manual_seed(0)
        found.append(kind('', '', cfg, (64, 64)))
        found[-1].build()
    project, bare = found
    with torch.inference_mode():
        middle = project.network(bare.tensors[:2].permute(0, 3, 1, 2)).median()
        for one in found:
            # random weights find one class everywhere
            one.model.decode_head.conv_seg.bias -= middle
        theirs, mine = torch.cat(project.files([0, 1])), bare.files([0, 1])
    assert mine.shape == (2, 64, 64) and 0 < mine.float().mean() < 1
    # layouts round apart
    assert (mine == theirs).float().mean() > 0.99


def test_memory_batches_hold_each_image_once():
    data = torch.arange(5).float().view(5, 1, 1, 1).expand(5, 4, 6, 3), torch.arange(5)
    for drop_last, sizes in ((False, [2, 2, 1]), (True, [2, 2])):
        batches = list(memory_batches(data, 2, shuffle=True, drop_last=drop_last))
        assert [len(images) for images, _ in batches] == sizes
        assert len(torch.cat([labels for _, labels in batches]).unique()) == sum(sizes)
        for images, labels in batches:
            assert images.shape[1:] == (3, 4, 6)
            assert torch.equal(images[:, 0, 0, 0].long(), labels)


def test_mistakes_are_one_sentence(tool, moon, repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MOON_DATA', str(moon))
    unet, classifier = (repository / 'configs' / f'{n}.py' for n in ('unet_baseline', 'classifier'))
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'train.json').write_text('{}')
    size = 'train_dataloader.dataset.load_size'
    # RandomFlip, whose prob it keeps
    step = 'train_dataloader.dataset.pipeline.3'
    zoom = [f'{size}=(96,64)', f'{step}.type=RandomZoom', f'{step}.size=(48,32)']
    for arguments, sentence in (
        (['train', 'configs/none.py'], 'there is no config'),
        (['infer', classifier], 'infer measures segmentors only'),
        (['train', unet, '--cfg-options', f'{size}=None'], 'has no load_size'),
        (['train', unet, '--cfg-options', *zoom], 'zooms (RandomZoom) to (48, 32) in pairs'),
        (['train', classifier, '--data', 5], '--data renders pairs for segmentors'),
        (['train', unet, '--pairs', 99], 'train part, which has 8'),
        (['train', unet, '--data', 5], 'MOON_DATA names'),
        (['train', unet, '--levers', 'magic'], "no lever 'magic'"),
        (['train', unet, '--epochs', 1], '2 or more'),
        (['train', unet, '--out', tmp_path / 'full'], 'exists already'),
        (['infer', unet, 'none.pth'], 'there is no checkpoint'),
        (['table', tmp_path / 'full' / 'train.json'], "not a benchmark's JSON file"),
    ):
        out = [] if '--out' in arguments or 'table' in arguments else ['--out', tmp_path / 'out']
        assert tool('benchmark.py', *arguments, *out) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


class Counting(Contestant):
    def __init__(self, name: str, order: list, error: Exception | None = None) -> None:
        super().__init__(name, name, 'float32', [])
        self.order, self.error = order, error

    def build(self) -> dict:
        if self.error:
            raise self.error
        return dict(device='cpu')

    def measure(self, split: bool) -> dict:
        self.order.append(self.name)
        return dict(seconds=dict(epoch=float(len(self.order))))


def test_contestants_alternate(tmp_path):
    order, said = [], []
    found = [Counting(name, order) for name in 'ABC']
    facts, rounds = measuring.run_rounds(found, 3, 2, tmp_path / 'runs', 1, say=said.append)
    assert ''.join(order) == 'ABC' * 6 and len(said) == 18
    assert [r['order'] for r in rounds['B']] == [1, 4, 7, 10, 13, 16]
    assert [r['repeat'] for r in rounds['C']] == [0, 0, 0, 1, 1, 1]
    assert [r['warm_up'] for r in rounds['A']] == [True, False, False] * 2
    assert facts['A']['precision'] == 'float32' and not (tmp_path / 'runs').exists()


def test_a_failure_is_told_and_nothing_stays(tmp_path):
    for error, told in ((UsageError('mend it.'), UsageError), (KeyError('x'), RuntimeError)):
        with pytest.raises(told, match='mend it|KeyError'):
            measuring.run_rounds([Counting('A', [], error)], 1, 1, tmp_path / 'runs', 1)
    assert not (tmp_path / 'runs').exists()


def test_each_moment_belongs_to_one_part(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measuring.time, 'perf_counter', lambda: now[0])
    watch = Stopwatch()
    watch.begin()
    for iteration in range(2):
        for part, seconds in (('data', 1), ('forward', 2), ('backward', 4), ('step', 8)):
            now[0] += seconds * (1 + 2 * iteration)
            watch.mark(part)
        now[0] += 1
        watch.end_iteration(images=3)

    def validate() -> int:
        now[0] += 100
        return 5

    found = watch.end_epoch(validate)
    # the second took three times as long: a mean of two, with 1 s of hooks in each
    expected = dict(data=2e3, prepare=0, forward=4e3, backward=8e3, step=16e3, other=1e3)
    assert found['split_ms'] == pytest.approx(expected) and found['iteration_ms'] == 31e3
    assert found['seconds'] == dict(epoch=162, training=62, validation=100)
    assert found['images'] == dict(epoch=6, training=6, validation=5)


def test_the_bare_loop_has_the_precision_of_the_others():
    """The network in bfloat16 where it trains, losses and validation in float32."""
    seen = []

    def term(logits, labels, ignore_index):
        seen.append(('loss', logits.dtype))
        return logits.mean()

    class Head(torch.nn.Conv2d):
        num_classes, ignore_index, align_corners = 2, 255, False
        loss_decode = staticmethod(term)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decode_head = Head(3, 1, 1)

        def forward(self, images, mode):
            out = self.decode_head(images)
            seen.append((self.training, out.dtype))
            return out

    loop = object.__new__(BareTraining)
    loop.model, loop.precision, loop.compiled = Model(), 'bfloat16', None
    loop.device, loop.batch, loop.drop_last = torch.device('cpu'), 2, False
    loop.train_set = torch.rand(2, 8, 8, 3), torch.ones(2, 16, 16).long()
    loop.val_set = torch.rand(2, 8, 8, 3), torch.ones(2, 8, 8).long()
    loop._set_optimizer(dict(type='BFloat16OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    assert loop.measure(split=False)['images']['validation'] == 2
    assert seen == [(True, torch.bfloat16), ('loss', torch.float32), (False, torch.float32)]


def one_round(seconds: float, **values) -> dict:
    marks = dict(warm_up=False, split=False, images=dict(epoch=8), memory_mib=dict(main=1.0))
    parts = dict(split_ms=dict.fromkeys(PARTS, 1.0), iteration_ms=6.0)
    return marks | dict(seconds=dict(epoch=seconds)) | parts | values


def test_medians_and_ratios_by_hand():
    warm = one_round(1000.0, warm_up=True, memory_mib=dict(main=7.0))
    # on a GPU the parts come from an epoch whose time does not count
    last = one_round(500.0, split=True, split_ms=dict.fromkeys(PARTS, 2.0), iteration_ms=12.0)
    times = dict(a=(1.0, 2.0, 9.0), b=(3.0, 4.0, 9.0))
    rounds = {name: [warm, *map(one_round, values), last] for name, values in times.items()}
    found, ratios = summarize(dict(a={}, b={}), rounds)
    assert found['a']['seconds']['epoch'] == dict(median=2.0, q1=1.5, q3=5.5, n=3)
    assert found['a']['images_per_second']['epoch'] == 4.0
    assert found['a']['memory_mib'] == dict(main=7.0)
    assert found['a']['split_ms'] == dict.fromkeys(PARTS, 2.0)
    assert found['a']['data_share'] == pytest.approx(1 / 6)
    # b takes twice as long as a: a is twice as fast
    assert ratios['b']['epoch']['ratio'] == ratios['b']['epoch']['rounds']['median'] == 2.0


def test_levers_move_what_is_there():
    cfg = Config(dict(default_hooks=dict(channels_last=dict(), compile=dict(enabled=True))))
    for lever in ('channels_last', 'compile'):
        name, other = pull(cfg, lever)
        assert name == f'without {lever}' and other.default_hooks[lever].enabled is False
        assert pull(other, lever)[0] == f'with {lever}'
    old = dict(dataset=dict(pipeline=[dict(type='Old')]))
    model = dict(data_preprocessor=dict(type='SegDataPreProcessor', mean=[1]))
    name, on = pull(Config(dict(model=model, train_dataloader=old)), 'batch_augmentation')
    assert name == 'with batch_augmentation' and on.model.data_preprocessor.mean == [1]
    assert on.model.data_preprocessor.type == 'BatchAugPreProcessor'
    assert on.train_dataloader.dataset.pipeline[-1].type == 'PackSegInputs'
    name, off = pull(on, 'batch_augmentation')
    assert name == 'without batch_augmentation' and off.model.data_preprocessor.augments == []
    nothing = Config(dict(default_hooks=dict(), val_dataloader=dict(dataset=dict())))
    for lever in LEVERS:
        with pytest.raises(UsageError, match=f'the lever {lever} moves .*, which this config'):
            pull(nothing, lever)


def test_lever_contestants_differ_in_one_lever(repository, tmp_path):
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.val_dataloader.batch_size = 8
    names = ['channels_last', 'batched_validation']
    first, *others, control = training_contestants(cfg, (128, 128), tmp_path, 3, 0, names)
    assert [one.name for one in others] == [f'without {name}' for name in names]
    assert first.cfg['train_cfg']['max_epochs'] == 3 and control.name == 'unchanged'
    expected = ({'default_hooks'}, {'val_dataloader'}, set())
    for one, changed in zip((*others, control), expected, strict=True):
        found = {k for k in first.cfg if first.cfg[k] != one.cfg[k]}
        assert found == changed | {'work_dir', 'experiment_name'}


def test_file_pairs_read_what_is_in_the_files(tmp_path):
    image, mask = np.zeros((8, 16, 3), np.uint8), np.zeros((8, 16), np.uint8)
    # OpenCV writes BGR: this is red
    image[:, :, 2], mask[:, 8:] = 200, 255
    for name, array in (('image', image), ('mask', mask)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), array)
    pairs = object.__new__(smp.FilePairs)
    pairs.pairs = [(str(tmp_path / 'image.png'), str(tmp_path / 'mask.png'))]
    pairs.size, pairs.label_map, pairs.flip = (8, 4), {255: 1}, False
    pairs.mean, pairs.std = np.float32([100, 0, 0]), np.float32([50, 1, 1])
    inputs, label = pairs[0]
    assert inputs.shape == (3, 4, 8) and inputs[:, 0, 0].tolist() == [2.0, 0.0, 0.0]
    assert label.tolist() == [[0] * 4 + [1] * 4] * 4


def test_left_out_is_said(repository, monkeypatch):
    monkeypatch.setattr(contestants, 'find_spec', lambda name: None)
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    assert 'not installed' in contestants.left_out(cfg)[0]

"""Who takes part: a config, checked, its levers one at a time, and the others that it is compared with."""

import copy
import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS

from custom_modules.engine.config import load_config, without_cache
from custom_modules.engine.config_checks import check_config
from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY

from . import prediction, training
from .measuring import Contestant

STOCK = REPOSITORY / 'configs' / '_base_' / 'stock'
# the transforms of mmpretrain that set the size, and where they hold it
SIZED = dict(RandomResizedCrop='scale', Resize='scale', RandomCrop='crop_size')
SIZED |= dict(CenterCrop='crop_size', BatchRandomResizedCrop='size')
# for each lever the option that it moves, its value when off and when on, and the one that it has where it is left out
LEVERS = dict(
    cache=('train_dataloader.dataset.cache', None, 'ram', None),
    channels_last=('default_hooks.channels_last.enabled', False, True, True),
    compile=('default_hooks.compile.enabled', False, True, False),
    frozen_encoder=('default_hooks.freeze_schedule.schedule', {0: -1}, {0: 4}, {0: -1}),
)


def benchmark_config(args) -> tuple[Config, tuple[int, int]]:
    """Read a config as ``tools/train.py`` does, with the arguments of ``tools/benchmark.py``, and width and height of its images.

    Its data are checked once, so that no contestant has to; ``pairs`` are taken evenly spaced.
    """
    cfg = load_config(args.config, args.cfg_options)
    heads = dict(train=('decode_head', 'head'), infer=('decode_head',))[args.command]
    if not any(head in (cfg.get('model') or {}) for head in heads):
        raise UsageError(
            f'{args.command} measures segmentors, train also classifiers, and {args.config} is none: give a config such as '
            'configs/unet_baseline.py.'
        )
    size = load_size(cfg)
    # the others have one size all the time
    cfg.default_hooks.pop('progressive_resize', None)
    check_config(cfg)
    if args.command == 'train' and args.batch is not None:
        cfg.train_dataloader.batch_size = args.batch
    take(cfg, 'train', args.pairs)
    take(cfg, 'val', args.pairs and max(1, args.pairs // 4))
    return cfg, size


def load_size(cfg: Config) -> tuple[int, int]:
    """Return width and height at which a config's training images enter the network, if it is the same all the time."""
    dataset = cfg.train_dataloader.dataset
    size, steps = dataset.get('load_size'), dataset.get('pipeline') or []
    if cfg.default_scope == 'mmpretrain':
        for step in [*steps, *cfg.model.get('data_preprocessor', {}).get('augments', [])]:
            size = step.get(SIZED.get(step['type']), size)
        size = (size, size) if isinstance(size, int) else size
    zooms = [step['size'] for step in steps if step['type'] == 'RandomZoom']
    if size is None or any(tuple(zoom) != tuple(size) for zoom in zooms):
        raise UsageError(
            'the training images have no one size, at which the other contestants could be given them: set '
            'train_dataloader.dataset.load_size, and a pipeline without RandomZoom (of a classifier: a Resize to a square).'
        )
    return tuple(size)


def take(cfg: Config, part: str, count: int | None) -> None:
    """Build a data set once, which checks its files, and take some of its samples, or all."""
    dataset = cfg[f'{part}_dataloader'].dataset
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        there = len(registry.build(without_cache(dataset)))
    if count is not None:
        if count > there:
            raise UsageError(
                f'--pairs asks for {count} pairs of the {part} part, which has {there}: lower it, or give more '
                'data (MOON_DATA, TINY_IMAGENET).'
            )
        # a classifier's samples lie class by class
        dataset.indices = [i * there // count for i in range(count)]
    if dataset.type in ('MoonDataset', 'IndexedMaskDataset'):
        dataset.check = False


def pull(cfg: Config, lever: str) -> tuple[str, Config]:
    """Give a config with one of ``LEVERS`` the other way, and its name, such as ``'without cache'``."""
    key, off, on, default = LEVERS[lever]
    place, last = key.rsplit('.', 1)
    section = other = Config(cfg.to_dict())
    for name in place.split('.'):
        section = (section or {}).get(name)
    if section is None:
        raise UsageError(f'the lever {lever} moves {key}, which this config does not have.')
    now = section.get(last, default)
    word, section[last] = ('with', on) if now == off else ('without', off)
    return f'{word} {lever}', other


def stock_config(cfg: Config, size: Sequence[int], workers: int, precision: str) -> Config:
    """Give the config that a user of plain MMSegmentation or MMPretrain would have for the same model and images.

    The same: network, losses, batch size, optimizer with its settings, gradient clipping, epochs, images, freezing
    schedule. As in ``configs/_base_/stock``: everything else. Each file is decoded in each epoch, with the standard
    pipeline; default memory layout, optimizer not fused, nothing compiled, frozen batch norms not folded.

    Images have a size of (width, height); each loader has so many workers (mmseg's configs 4, mmpretrain's 5). The precision is
    ``'float32'``, as a user has it by default; ``'amp'``, mmengine's own, for a GPU; or ``'as given'``, the config's own, which
    on a CPU stock has no way to.
    """
    stock = Config.fromfile(STOCK / f'{cfg.default_scope}.py')
    given = copy.deepcopy(cfg.to_dict())
    model, wrapper, segments = given['model'], given['optim_wrapper'], cfg.default_scope == 'mmseg'
    norm = model['data_preprocessor']
    if segments:
        kept = ('mean', 'std', 'bgr_to_rgb', 'pad_val', 'seg_pad_val')
        own = {key: norm[key] for key in kept if key in norm}
        stock.model.data_preprocessor.update(own, size=size[::-1])
        model |= stock.model.to_dict()
    else:
        norm = {key: norm[key] for key in ('mean', 'std', 'to_rgb') if key in norm}
        model |= dict(type='ImageClassifier', data_preprocessor=norm)
    wrapper.pop('constructor', None)
    with MODELS.switch_scope_and_registry(cfg.default_scope) as registry:
        if issubclass(registry.get(model['backbone']['type']), StagedBackbone):
            model['backbone']['fold_frozen'] = False
            if segments:
                # a stock config repeats these numbers by hand
                channels = registry.build(model['backbone']).out_channels
                model['decode_head'].setdefault('in_channels', channels)
    stock.model = model
    sizes = dict(
        Resize=dict(scale=tuple(size)),
        RandomResizedCrop=dict(scale=size[0]),
        # mmpretrain's 256 for 224
        ResizeEdge=dict(scale=round(size[0] * 256 / 224)),
        CenterCrop=dict(crop_size=size[0]),
    )
    for step in (*stock.train_pipeline, *stock.test_pipeline):
        step.update(sizes.get(step.type, {}))
    for part, pipeline in (('train', stock.train_pipeline), ('val', stock.test_pipeline)):
        loader, own = stock[f'{part}_dataloader'], without_cache(given[f'{part}_dataloader'])
        loader.update(dataset=own['dataset'] | dict(pipeline=pipeline), num_workers=workers)
        loader.persistent_workers = workers > 0
        # mmpretrain has one batch size for both
        loader.setdefault('batch_size', cfg.train_dataloader.batch_size)
    stock.train_dataloader.drop_last = given['train_dataloader'].get('drop_last', False)
    if not segments:
        metrics = given['val_evaluator']
        metrics = [metrics] if isinstance(metrics, dict) else metrics
        # whose topk suits the number of classes
        (stock.val_evaluator.topk,) = (
            metric['topk'] for metric in metrics if metric['type'].endswith('Accuracy')
        )
    for switch in ('fused', 'foreach'):
        wrapper['optimizer'].pop(switch, None)
    if precision != 'as given':
        wrapper['type'] = 'OptimWrapper' if precision == 'float32' else 'AmpOptimWrapper'
        for key in ('dtype', 'loss_scale'):
            wrapper.pop(key, None)
    stock.optim_wrapper = wrapper
    stock.train_cfg = dict(by_epoch=True, max_epochs=given['train_cfg']['max_epochs'])
    stock.param_scheduler.end = given['train_cfg']['max_epochs']
    if 'freeze_schedule' in given['default_hooks']:
        # else another part of the network would train
        stock.default_hooks.freeze_schedule = given['default_hooks']['freeze_schedule']
    for key in ('train_pipeline', 'test_pipeline', 'vis_backends'):
        stock.pop(key)
    return stock


def training_contestants(
    cfg: Config, size, folder: Path, epochs: int, workers: int, levers: Sequence[str] = ()
) -> list[Contestant]:
    """List who trains against a config, which is the first; stock in float32, and in the config's own precision.

    With ``levers`` it is, instead of others, the config with one of these the other way, and at last as it is once more: how
    far its ratio is from 1 is what the machine does by itself. Checkpoints and logs go to the folder; stock's and smp's loaders
    have so many workers each.
    """
    cfg = Config(cfg.to_dict())
    cfg.train_cfg.update(max_epochs=epochs, val_interval=1)
    found = []

    def add(kind: type, name: str, title: str, config: Config = cfg) -> None:
        config = Config(config.to_dict())
        config.experiment_name = name.replace(' ', '_')
        config.work_dir = (folder / config.experiment_name).as_posix()
        found.append(kind(name, title, config, size))

    add(training.RunnerTraining, 'project', 'the config as it is, as tools/train.py runs it')
    if levers:
        for name, other in (pull(cfg, lever) for lever in levers):
            add(training.RunnerTraining, name, f'the config {name}', other)
        title = 'the config as it is, a second time: its ratio is the noise of this table'
        add(training.RunnerTraining, 'unchanged', title)
        return found
    library = 'MMPretrain' if cfg.default_scope == 'mmpretrain' else 'MMSegmentation'
    plain = stock_config(cfg, size, workers, 'float32')
    title = f'the same network in plain {library}, as anyone can run it'
    add(training.StockTraining, 'stock', title, plain)
    precision = training.precision_of(cfg).split()[0]
    if precision != 'float32':
        on_gpu = get_device() != 'cpu'
        same = stock_config(cfg, size, workers, 'amp' if on_gpu else 'as given')
        if on_gpu:
            same.optim_wrapper.dtype = precision
        title = f'plain {library} in {precision}' + " by this project's wrapper" * (not on_gpu)
        add(training.StockTraining, f'stock {precision}', title, same)
    title = 'the same network in a bare loop over tensors in memory'
    found.append(training.BareTraining('bare loop', title, cfg, size))
    if cfg.default_scope == 'mmseg' and find_spec('segmentation_models_pytorch'):
        plain.work_dir = (folder / 'smp').as_posix()
        found.append(training.SmpTraining(plain, size))
    return found


def prediction_contestants(
    cfg: Config, size, weights: Sequence[str], batches: Sequence[int], images: int, threads: int
) -> list[Contestant]:
    """List who predicts against a config, which is the first, in each batch size so many images a round.

    ``weights`` are its checkpoint, if any, and ``.onnx`` files. With such files it is the network's forms that are compared: as
    it is, compiled and each file, by all threads and by one.
    """
    files = [file for file in weights if Path(file).suffix == '.onnx']
    given = cfg, size, next((file for file in weights if file not in files), None)
    found, own = [], prediction.ConfigPrediction
    for count in dict.fromkeys((threads, 1)) if files else ():
        forms = [own('PyTorch', 'the config as it is', *given)]
        if shutil.which(os.environ.get('CXX', 'g++')):
            title = 'the same by torch.compile'
            forms.append(prediction.CompiledPrediction('compiled', title, *given))
        for file in files:
            title = f'exported, {Path(file).stat().st_size / 2**20:.1f} MiB'
            forms.append(prediction.ExportedPrediction(Path(file).name, title, cfg, size, file))
        for one in forms:
            one.name, one.threads = f'{one.name}, {count} thread{"s" * (count > 1)}', count
        found += forms
    if not files:
        plain = stock_config(cfg, size, 0, 'float32')
        title = 'the same network, from tensors in memory'
        found = [
            own('project', 'the config as it is, at load_size', *given),
            own('stock', 'plain MMSegmentation, at the original size', plain, size, given[2]),
            prediction.BarePrediction('bare loop', title, *given),
        ]
        if find_spec('segmentation_models_pytorch'):
            found.append(prediction.SmpPrediction(plain, size))
    for one in found:
        one.batches, one.images = tuple(batches), images
    return found

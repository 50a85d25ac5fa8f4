"""Who takes part: a config, checked, its levers one at a time, and the others that it is compared with."""

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS

from custom_modules.engine.config import load_config, without_cache
from custom_modules.engine.config_checks import check_config
from custom_modules.utils.errors import UsageError

from .measuring import Contestant
from .prediction import (
    BarePrediction,
    CompiledPrediction,
    ConfigPrediction,
    ExportedPrediction,
    SmpPrediction,
)
from .stock import stock_config
from .training import BareTraining, RunnerTraining, SmpTraining, StockTraining, precision_of

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
    """Read a config as ``tools/train.py`` does, and check its data once, so that no contestant has to.

    Args:
        args (argparse.Namespace): Of ``tools/benchmark.py``. ``pairs`` are taken evenly spaced.

    Returns:
        tuple[Config, tuple[int, int]]: The config, and width and height at which its images enter the network.
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
    other = Config(cfg.to_dict())
    section = other
    for name in place.split('.'):
        section = (section or {}).get(name)
    if section is None:
        raise UsageError(f'the lever {lever} moves {key}, which this config does not have.')
    now = section.get(last, default)
    word, section[last] = ('with', on) if now == off else ('without', off)
    return f'{word} {lever}', other


def training_contestants(
    cfg: Config, size, folder: Path, epochs: int, workers: int, levers: Sequence[str] = ()
) -> list[Contestant]:
    """List who trains against a config, which is the first; stock in float32, and in the config's own precision.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        size (Sequence[int]): Width and height of its images.
        folder (Path): For checkpoints and logs.
        epochs (int): Rounds of each contestant.
        workers (int): Worker processes of each loader of stock and smp.
        levers (Sequence[str]): Instead of others, the config with one of these the other way, and at last as it is once
            more: how far its ratio is from 1 is what the machine does by itself.
    """
    cfg = Config(cfg.to_dict())
    cfg.train_cfg.update(max_epochs=epochs, val_interval=1)

    def placed(kind: type, name: str, title: str, config: Config) -> Contestant:
        config = Config(config.to_dict())
        config.experiment_name = name.replace(' ', '_')
        config.work_dir = (folder / config.experiment_name).as_posix()
        return kind(name, title, config, size)

    title = 'the config as it is, as tools/train.py runs it'
    found = [placed(RunnerTraining, 'project', title, cfg)]
    if levers:
        for name, other in (pull(cfg, lever) for lever in levers):
            found.append(placed(RunnerTraining, name, f'the config {name}', other))
        title = 'the config as it is, a second time: its ratio is the noise of this table'
        return [*found, placed(RunnerTraining, 'unchanged', title, cfg)]
    library = 'MMPretrain' if cfg.default_scope == 'mmpretrain' else 'MMSegmentation'
    title = f'the same network in plain {library}, as anyone can run it'
    plain = stock_config(cfg, size, workers, 'float32')
    found.append(placed(StockTraining, 'stock', title, plain))
    precision = precision_of(cfg).split()[0]
    if precision != 'float32':
        on_gpu = get_device() != 'cpu'
        same = stock_config(cfg, size, workers, 'amp' if on_gpu else 'as given')
        if on_gpu:
            same.optim_wrapper.dtype = precision
        title = f'plain {library} in {precision}' + " by this project's wrapper" * (not on_gpu)
        found.append(placed(StockTraining, f'stock {precision}', title, same))
    title = 'the same network in a bare loop over tensors in memory'
    found.append(BareTraining('bare loop', title, cfg, size))
    if cfg.default_scope == 'mmseg' and find_spec('segmentation_models_pytorch'):
        plain.work_dir = (folder / 'smp').as_posix()
        found.append(SmpTraining(plain, size))
    return found


def prediction_contestants(
    cfg: Config, size, weights: Sequence[str], batches: Sequence[int], images: int, threads: int
) -> list[Contestant]:
    """List who predicts against a config, which is the first; see :class:`Prediction`.

    With exported files it is the network's forms that are compared: as it is, compiled and each file, by all threads and by one.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        size (Sequence[int]): Width and height of its images.
        weights (Sequence[str]): Its checkpoint, if any, and ``.onnx`` files.
        batches (Sequence[int]): Batch sizes.
        images (int): Images of each round and batch size.
        threads (int): Threads of all.
    """
    files = [file for file in weights if Path(file).suffix == '.onnx']
    checkpoint = next((file for file in weights if file not in files), None)
    given = cfg, size, checkpoint
    if files:
        found = [
            one for count in dict.fromkeys((threads, 1)) for one in _forms(given, files, count)
        ]
    else:
        plain = stock_config(cfg, size, 0, 'float32'), size, checkpoint
        found = [
            ConfigPrediction('project', 'the config as it is, at load_size', *given),
            ConfigPrediction('stock', 'plain MMSegmentation, at the original size', *plain),
            BarePrediction('bare loop', 'the same network, from tensors in memory', *given),
        ]
        if find_spec('segmentation_models_pytorch'):
            found.append(SmpPrediction(plain[0], size))
    for one in found:
        one.batches, one.images = tuple(batches), images
    return found


def _forms(given: tuple, files: Sequence[str], threads: int) -> list[Contestant]:
    cfg, size, _ = given
    found = [ConfigPrediction('PyTorch', 'the config as it is', *given)]
    if shutil.which(os.environ.get('CXX', 'g++')):
        found.append(CompiledPrediction('compiled', 'the same by torch.compile', *given))
    for file in files:
        title = f'exported, {Path(file).stat().st_size / 2**20:.1f} MiB'
        found.append(ExportedPrediction(Path(file).name, title, cfg, size, file))
    for one in found:
        one.name, one.threads = f'{one.name}, {threads} thread{"s" * (threads > 1)}', threads
    return found

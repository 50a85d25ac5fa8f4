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
from custom_modules.preparation.synthetic.dataset import SyntheticSet
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY

from .measuring import Contestant
from .prediction import (
    BarePrediction,
    CompiledPrediction,
    ConfigPrediction,
    ExportedPrediction,
)
from .stock import stock_config
from .training import BareTraining, RunnerTraining, StockTraining, precision_of

# the transforms of mmpretrain that set the size, and where they hold it
SIZED = dict(
    RandomResizedCrop='scale',
    Resize='scale',
    RandomCrop='crop_size',
    CenterCrop='crop_size',
    BatchRandomResizedCrop='size',
)
_LOAD = [dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'ResizeToLoadSize')]
_SWITCHES = ('channels_last', 'lazy_scalars', 'feature_cache', 'compile')
# For each lever the config options that switch it off, and those that switch it on. The first option tells which way it
# is now: a config that lacks it has the first value of DEFAULTS, or no such lever.
LEVERS = {
    'cache': [
        {f'{part}_dataloader.dataset.cache': value for part in ('train', 'val')}
        for value in (None, 'ram')
    ],
    'fused_optimizer': [{'optim_wrapper.optimizer.fused': value} for value in (False, True)],
    'batched_validation': [{'val_dataloader.batch_size': value} for value in (1, 16)],
    'batch_augmentation': [
        {
            'model.data_preprocessor.augments': [],
            'train_dataloader.dataset.pipeline': [
                *_LOAD,
                dict(type='RandomFlip', prob=0.5),
                dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
                dict(type='PhotoMetricDistortion'),
                dict(type='PackSegInputs'),
            ],
        },
        {
            'model.data_preprocessor.augments': [
                dict(type='BatchRandomFlip', prob=0.5),
                dict(type='BatchRandomAffine', prob=0.5, degree=10),
                dict(type='BatchPhotoMetricDistortion'),
            ],
            'model.data_preprocessor.type': 'BatchAugPreProcessor',
            'train_dataloader.dataset.pipeline': [*_LOAD, dict(type='PackSegInputs')],
        },
    ],
    'frozen_encoder': [{'default_hooks.freeze_schedule.schedule': {0: n}} for n in (-1, 4)],
    'bfloat16': [{'optim_wrapper.type': f'{kind}OptimWrapper'} for kind in ('', 'BFloat16')],
    **{
        name: [{f'default_hooks.{name}.enabled': value} for value in (False, True)]
        for name in _SWITCHES
    },
}
# changes what is learned, or fits few configs, and is moved only where it is asked for
ON_REQUEST = ('frozen_encoder', 'feature_cache', 'bfloat16')
# of hooks and classes, where a config may leave an option out
DEFAULTS = dict(
    channels_last=True,
    lazy_scalars=True,
    batch_augmentation=[],
    feature_cache=False,
    compile=False,
)
MISSING = object()


def benchmark_config(args) -> tuple[Config, tuple[int, int]]:
    """Read a config as ``tools/train.py`` does, and check its data once, so that no contestant has to.

    Args:
        args (argparse.Namespace): Of ``tools/benchmark.py``. ``pairs`` are taken evenly spaced.

    Returns:
        tuple[Config, tuple[int, int]]: The config, and width and height at which its images enter the network.

    Raises:
        UsageError: As ``tools/train.py``; if it trains nothing that the command measures, or there are not as many pairs.
    """
    cfg = load_config(args.config, args.cfg_options)
    head = dict(mmseg='decode_head', mmpretrain='head').get(cfg.get('default_scope'))
    if head not in (cfg.get('model') or {}) or not cfg.get('train_dataloader'):
        raise UsageError(
            f'{args.config} trains neither a segmentor nor a classifier, which are what is measured here: give a config such '
            'as configs/unet_baseline.py.'
        )
    if head == 'head' and (args.command == 'infer' or args.data is not None):
        what = 'infer measures' if args.command == 'infer' else '--data renders pairs for'
        raise UsageError(
            f'{what} segmentors only, and {args.config} trains a classifier: give a config such as configs/unet_baseline.py, or '
            'measure it with train, on its own images.'
        )
    if args.data is not None:
        _render(args.data)
        cfg = load_config(args.config, args.cfg_options)
    size = load_size(cfg)
    # the others have one size all the time
    cfg.default_hooks.pop('progressive_resize', None)
    check_config(cfg)
    # those of infer are several, and not for training
    if args.command != 'infer' and args.batch is not None:
        cfg.train_dataloader.batch_size = args.batch
    take(cfg, 'train', args.pairs)
    take(cfg, 'val', args.pairs and max(1, args.pairs // 4))
    return cfg, size


def _render(count: int) -> None:
    folder = REPOSITORY / 'data' / f'moon_benchmark_{count}'
    if os.environ.get('MOON_DATA') not in (None, str(folder)):
        raise UsageError(
            f'--data renders pairs, but MOON_DATA names {os.environ["MOON_DATA"]}: leave one of the two out.'
        )
    SyntheticSet(folder, count, (720, 480), seed=0).make(workers=os.cpu_count() or 1)
    os.environ['MOON_DATA'] = str(folder)


def load_size(cfg: Config) -> tuple[int, int]:
    """Return width and height at which a config's training images enter the network.

    Raises:
        UsageError: If they have no one size, so that the contestants could not be given the same images.
    """
    dataset = cfg.train_dataloader.dataset
    pipeline = dataset.get('pipeline')
    if pipeline is None:
        raise UsageError(
            f'the training set ({dataset.get("type")}) wraps others: give a config whose train_dataloader.dataset has a '
            'pipeline of its own.'
        )
    if cfg.default_scope == 'mmpretrain':
        size = None
        augments = cfg.model.get('data_preprocessor', {}).get('augments', [])
        for step in [*pipeline, *augments]:
            size = step.get(SIZED.get(step['type']), size)
        sides = {size} if isinstance(size, int) else set(size or ())
        if len(sides) != 1:
            raise UsageError(
                f'the training pipeline gives no squares of one size (its last one is {size}), which the other contestants '
                f'could be given too: end it with one of {", ".join(SIZED)} to a square.'
            )
        return (*sides, *sides)
    size = dataset.get('load_size')
    if size is None:
        raise UsageError(
            "the training set has no load_size, which the other contestants' images are resized to: give it with "
            '--cfg-options "train_dataloader.dataset.load_size=(128,128)" "val_dataloader.dataset.load_size=(128,128)".'
        )
    for step in pipeline:
        if step['type'] == 'RandomZoom' and tuple(step['size']) != tuple(size):
            raise UsageError(
                f'the training pipeline zooms (RandomZoom) to {tuple(step["size"])} in pairs that are loaded at {tuple(size)}, so '
                'the other contestants would be given images of another size: choose another pipeline for the benchmark, '
                'such as train_dataloader.dataset.pipeline=_base_.plain_pipeline.'
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
                'data (MOON_DATA, TINY_IMAGENET, --data).'
            )
        # a classifier's samples lie class by class
        dataset.indices = [i * there // count for i in range(count)]
    if dataset.type in ('MoonDataset', 'IndexedMaskDataset'):
        dataset.check = False


def pull(cfg: Config, lever: str) -> tuple[str, Config]:
    """Make the config with one lever the other way: off if it is on, on if it is off.

    Args:
        cfg (Config): The config as it is.
        lever (str): A key of ``LEVERS``.

    Returns:
        tuple[str, Config]: The contestant's name, ``'without cache'`` or ``'with compile'``, and its config.

    Raises:
        UsageError: If there is no such lever, or the config has nothing that it could move: a lever that was renamed
            would else measure nothing.

    Example:
        >>> from mmengine.config import Config
        >>> name, other = pull(Config(dict(val_dataloader=dict(batch_size=32))), 'batched_validation')
        >>> name, other.val_dataloader.batch_size
        ('without batched_validation', 1)
    """
    if lever not in LEVERS:
        raise UsageError(f'there is no lever {lever!r}; there are {", ".join(LEVERS)}.')
    off, on = LEVERS[lever]
    first, value = next(iter(off.items()))
    now = _value(cfg, first, DEFAULTS.get(lever, MISSING))
    word, options = ('with', on) if now == value else ('without', off)
    other = Config(cfg.to_dict())
    for key, setting in options.items():
        place, last = key.rsplit('.', 1)
        section = _value(other, place, MISSING)
        if now is MISSING or section is MISSING:
            raise UsageError(
                f'the lever {lever} moves {key}, which this config does not have: name other levers, or mend '
                'custom_modules/benchmark/contestants.py.'
            )
        # merging would mix two lists
        section[last] = setting
    return f'{word} {lever}', other


def _value(cfg: Config, key: str, default):
    """Look a setting up; the default is for its last part only."""
    *sections, last = key.split('.')
    for section in sections:
        if section not in cfg:
            return MISSING
        cfg = cfg[section]
    return cfg.get(last, default)


def training_contestants(
    cfg: Config, size, folder: Path, epochs: int, workers: int, levers: Sequence[str] | None = None
) -> list[Contestant]:
    """List who trains against a config, which is the first.

    Stock takes part in float32, as it can be run anywhere, and in the config's own precision.

    Args:
        cfg (Config): The config, as :func:`benchmark_config` gives it.
        size (Sequence[int]): Width and height of its images.
        folder (Path): For checkpoints and logs.
        epochs (int): Rounds of each contestant.
        workers (int): Worker processes of each loader of the contestants other than the config.
        levers (Sequence[str], optional): Instead of others, the config with one of these the other way; the last is the config
            as it is once more: how far its ratio is from 1 is what the machine does by itself.
    """
    cfg = Config(cfg.to_dict())
    cfg.train_cfg.update(max_epochs=epochs, val_interval=1)

    def placed(kind: type, name: str, title: str, config: Config) -> Contestant:
        config = Config(config.to_dict())
        config.experiment_name = name.replace(' ', '_')
        config.work_dir = (folder / config.experiment_name).as_posix()
        return kind(name, title, config, size)

    found = [
        placed(RunnerTraining, 'project', 'the config as it is, as tools/train.py runs it', cfg)
    ]
    if levers is not None:
        for lever in levers:
            name, other = pull(cfg, lever)
            found.append(placed(RunnerTraining, name, f'the config {name}', other))
        title = 'the config as it is, a second time: its ratio is the noise of this table'
        return [*found, placed(RunnerTraining, 'unchanged', title, cfg)]
    library = 'MMPretrain' if cfg.default_scope == 'mmpretrain' else 'MMSegmentation'
    plain = stock_config(cfg, size, workers, 'float32')
    title = f'the same network in plain {library}, as anyone can run it'
    found.append(placed(StockTraining, 'stock', title, plain))
    precision = precision_of(cfg).split()[0]
    if precision != 'float32':
        on_gpu = get_device() != 'cpu'
        same = stock_config(cfg, size, workers, 'amp' if on_gpu else 'as given')
        if on_gpu:
            same.optim_wrapper.dtype = precision
        by = "mmengine's own AMP" if on_gpu else "this project's wrapper: stock has none for a CPU"
        title = f'plain {library} in {precision} by {by}'
        found.append(placed(StockTraining, f'stock {precision}', title, same))
    title = 'the same network in a bare loop over tensors in memory'
    found.append(BareTraining('bare loop', title, cfg, size))
    if cfg.default_scope == 'mmseg' and not left_out(cfg):
        from .smp import SmpTraining

        found.append(SmpTraining(cfg, size, workers, folder / 'smp'))
    return found


def left_out(cfg: Config) -> list[str]:
    """Say who does not take part; for a classifier segmentation-models-pytorch has no match."""
    if cfg.default_scope == 'mmpretrain' or find_spec('segmentation_models_pytorch'):
        return []
    return [
        'segmentation-models-pytorch is not installed (pip install it), so its row is left out.'
    ]


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
        if not left_out(cfg):
            from .smp import SmpPrediction

            found.append(SmpPrediction(cfg, size))
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

import argparse

from mmengine.config import Config
from mmengine.registry import DATASETS

from custom_modules.engine.config import load_config
from custom_modules.engine.config_checks import require_matching_classes
from custom_modules.utils.errors import UsageError

from .load_size import load_size
from .synthetic_data import synthetic_data

HEADS = dict(mmseg='decode_head', mmpretrain='head')


def benchmark_config(args: argparse.Namespace) -> Config:
    """Read a config as ``tools/train.py`` does, and check its data once, so that no contestant has to.

    Args:
        args (argparse.Namespace): Of :func:`benchmark_parser`. ``pairs`` are taken evenly spaced.

    Returns:
        Config: The config.

    Raises:
        UsageError: As ``tools/train.py``; if it trains nothing that the command measures, or there are not as many pairs.
    """
    cfg = load_config(args)
    head = HEADS.get(cfg.get('default_scope'))
    if head not in (cfg.get('model') or {}) or not cfg.get('train_dataloader'):
        raise UsageError(
            f'{args.config} trains neither a segmentor nor a classifier, which are what is measured here: give a config such '
            'as configs/unet_baseline.py.'
        )
    if head == 'head' and (args.command == 'infer' or args.data is not None):
        what = 'infer measures' if args.command == 'infer' else '--data renders pairs for'
        raise UsageError(
            f'{what} segmentors only, and {args.config} trains a classifier: give a config such as configs/unet_baseline.py, or '
            'measure it with train or data, on its own images.'
        )
    if args.data is not None:
        synthetic_data(args.data)
        cfg = load_config(args)
    if 'pipeline' not in cfg.train_dataloader.dataset:
        raise UsageError(
            f'the training set of {args.config} ({cfg.train_dataloader.dataset.get("type")}) wraps others: give a config '
            'whose train_dataloader.dataset has a pipeline of its own.'
        )
    load_size(cfg)
    require_matching_classes(cfg)
    # those of infer are several, and not for training
    if args.command != 'infer' and args.batch is not None:
        cfg.train_dataloader.batch_size = args.batch
    _limit('train', cfg, args.pairs)
    _limit('val', cfg, args.pairs and max(1, args.pairs // 4))
    return cfg


def _limit(part: str, cfg: Config, count: int | None) -> None:
    """Build a data set once, which checks its files, and take some of its samples."""
    dataset = cfg[f'{part}_dataloader'].dataset
    settings = {key: value for key, value in dataset.items() if key != 'cache'}
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        there = len(registry.build(settings))
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

import argparse

from mmengine.config import Config
from mmengine.registry import DATASETS

from custom_modules.engine.class_match import require_matching_classes
from custom_modules.engine.command_line import load_config
from custom_modules.usage_error import UsageError

from .load_size import load_size


def benchmark_config(
    path: str, cfg_options: dict | None = None, batch: int | None = None, pairs: int | None = None
) -> Config:
    """Read a config as ``tools/train.py`` does, and check its data once, so that no contestant has to.

    Args:
        path (str): The config.
        cfg_options (dict, optional): Settings to override.
        batch (int, optional): Training batch size. The config's by default.
        pairs (int, optional): How many training pairs to use, and a quarter as many for validation. All by default.

    Returns:
        Config: The config.

    Raises:
        UsageError: As ``tools/train.py``; if it trains no segmentor, or there are not as many pairs.
    """
    args = dict(config=path, cfg_options=cfg_options, work_dir=None, launcher='none', local_rank=0)
    cfg = load_config(argparse.Namespace(**args))
    if 'decode_head' not in (cfg.get('model') or {}) or not cfg.get('train_dataloader'):
        raise UsageError(
            f'{path} trains no segmentor, which is what is measured here: give a config such as '
            'configs/unet_baseline.py.'
        )
    if 'pipeline' not in cfg.train_dataloader.dataset:
        raise UsageError(
            f'the training set of {path} ({cfg.train_dataloader.dataset.get("type")}) wraps others: give a config '
            'whose train_dataloader.dataset has a pipeline of its own.'
        )
    load_size(cfg)
    require_matching_classes(cfg)
    if batch is not None:
        cfg.train_dataloader.batch_size = batch
    _limit('train', cfg, pairs)
    _limit('val', cfg, pairs and max(1, pairs // 4))
    return cfg


def _limit(part: str, cfg: Config, count: int | None) -> None:
    """Build a data set once, which checks its files, and take its first pairs."""
    dataset = cfg[f'{part}_dataloader'].dataset
    settings = {key: value for key, value in dataset.items() if key != 'cache'}
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as registry:
        there = len(registry.build(settings))
    if count is not None:
        if count > there:
            raise UsageError(
                f'--pairs asks for {count} pairs of the {part} part, which has {there}: lower it, or give more '
                'data with MOON_DATA or --data.'
            )
        dataset.indices = count
    if dataset.type in ('MoonDataset', 'IndexedMaskDataset'):
        dataset.check = False

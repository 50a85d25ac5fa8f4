"""Configs: read, changed by options and for cross-validation, and looked through."""

import argparse
import copy
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from custom_modules.engine.devices import join_processes, require_launcher
from custom_modules.utils.errors import UsageError, first_line

# what the runner and the tools read from a config besides the runner's own arguments
READ_FROM_CONFIG = (
    'activation_checkpointing',
    'compile',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
)
PARTS = ('train', 'val', 'test')
# of mmengine's runner, by their keys in default_hooks
OWN_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def each_config(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the one dict that stands at a key, or those of a list, with their keys as ``--cfg-options`` takes them (``loss.0``)."""
    if isinstance(value, dict):
        yield key, value
    else:
        yield from ((f'{key}.{i}', part) for i, part in enumerate(value or ()))


def data_set_configs(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the data sets that stand at a key, those within ``RepeatDataset`` or ``ConcatDataset`` in their place.

    Example:
        >>> repeated = dict(type='RepeatDataset', times=2, dataset=dict(type='MoonDataset'))
        >>> list(data_set_configs('train', repeated))
        [('train.dataset', {'type': 'MoonDataset'})]
    """
    for part_key, part in each_config(key, value):
        inner = next((name for name in ('dataset', 'datasets') if name in part), None)
        if inner is None:
            yield part_key, part
        else:
            yield from data_set_configs(f'{part_key}.{inner}', part[inner])


def loaded_data_sets(cfg, parts: Iterable[str] = PARTS) -> Iterator[tuple[str, dict]]:
    """Yield the data sets of a config's data loaders, with keys such as ``train_dataloader.dataset``."""
    for part in parts:
        loader = cfg.get(f'{part}_dataloader') or {}
        yield from data_set_configs(f'{part}_dataloader.dataset', loader.get('dataset'))


def type_name(config: dict) -> str:
    """Name what a config builds, without the scope before it: ``mmseg.DiceLoss`` and the class itself are ``DiceLoss``."""
    kind = config.get('type')
    return kind.rsplit('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')


def is_cut_by_hash(dataset: dict) -> bool:
    """Whether a config is that of one of this project's masks' data sets whose parts have no folders of their own."""
    folders = ' '.join((dataset.get('data_prefix') or {}).values())
    return type_name(dataset) in ('MoonDataset', 'IndexedMaskDataset') and '{split}' not in folders


def config_sections() -> set[str]:
    """Name the top-level keys of a config that do something; the others only shaped it."""
    return {*inspect.signature(Runner.__init__).parameters, *READ_FROM_CONFIG} - {'self', 'cfg'}


def read_options(texts: Iterable[str]) -> dict[str, object]:
    """Read ``KEY=VALUE`` pairs of ``--cfg-options``; a value is a number, a word, or a list of these.

    mmengine takes ``a=dict(b=1)`` for a word and gives up on a bracket that stays open; both, and what is no such pair, are
    refused with a UsageError.

    Example:
        >>> read_options(['load_size=(256,256)', 'default_hooks.checkpoint.filename_tmpl=e{}.pth'])
        {'load_size': (256, 256), 'default_hooks.checkpoint.filename_tmpl': 'e{}.pth'}
    """
    found = argparse.Namespace(options={})
    action = DictAction(['--cfg-options'], 'options')
    for text in texts:
        key, equals, value = text.partition('=')
        if not key or not equals:
            raise UsageError(f'a setting is written KEY=VALUE, got {text!r}.')
        # a brace within a word is none: filename_tmpl=epoch_{}.pth
        if re.search(r'(^|[\[(,])\s*(dict\(|{)', value):
            raise UsageError(
                f'a setting takes numbers, words and lists of them, not a dict, got {text!r}: set its keys one by one '
                '(such as model.decode_head.loss_decode.1.loss_weight=2), or inherit from the config in a file of your own.'
            )
        try:
            action(None, found, [text])
        except (AssertionError, RecursionError) as error:
            raise UsageError(
                f'a setting cannot be read from {text!r}: every bracket and quote has to close, and a comma outside of brackets makes a list.'
            ) from error
    return found.options


def read_config(path: Path, remedy: str) -> Config:
    """Read a config file as it is; a UsageError, which ends in the remedy, if that fails."""
    try:
        return Config.fromfile(path)
    except UsageError:
        raise
    except Exception as error:
        # a config is a program: it can fail in any way
        reason = f'{type(error).__name__}: {first_line(error)}'
        raise UsageError(f'{path} cannot be read ({reason}): {remedy}.') from error


def load_config(
    path: str | Path,
    cfg_options: Mapping[str, object] | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
):
    """Read a config and what changes it.

    Args:
        path (str | Path): The config file.
        cfg_options (Mapping, optional): Settings to override, by dotted key, as :func:`read_options` gives them.
        work_dir (str | Path, optional): Where the run writes. By default the config's own, else ``work_dirs/<name of the file>``.
        launcher (str): What started this process: ``'none'`` (default), ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        UsageError: If there is no such config, the launcher did not start this process, or an option would change nothing.
    """
    path = Path(path)
    if not path.is_file() or path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise UsageError(f'there is no config {path}: choose a file of configs/, such as configs/unet_baseline.py.')
    require_launcher(launcher)
    logger = MMLogger.get_current_instance()
    level = logger.level
    # mmengine says of each variable of the environment that it reads it, once for each place
    logger.setLevel('WARNING')
    try:
        cfg = read_config(path, 'mend it, or what it inherits from')
    finally:
        logger.setLevel(level)
    sections = config_sections()
    for key in cfg_options or {}:
        if key.split('.')[0] not in sections:
            raise UsageError(
                f'--cfg-options {key} would change nothing: give the place that is read, such as '
                f'train_dataloader.dataset.data_root; the sections are {", ".join(sorted(sections))}.'
            )
    try:
        cfg.merge_from_dict(dict(cfg_options or {}))
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        # which of them is in mmengine's words, if anywhere
        raise UsageError(
            f'--cfg-options cannot be put into {path} ({first_line(error)}): give keys that are there, and numbers for places in lists.'
        ) from error
    # variables that only shaped the config would fill the log and slow the dump
    for key in set(cfg) - sections - {'custom_imports'}:
        cfg.pop(key)
    # mmengine itself switches off only its own hooks by None, and fails at others
    if isinstance(hooks := cfg.get('default_hooks'), dict):
        for name in [name for name, hook in hooks.items() if hook is None and name not in OWN_HOOKS]:
            hooks.pop(name)
    cfg.launcher = launcher
    # backslashes would break the config that mmengine dumps
    cfg.work_dir = Path(work_dir or cfg.get('work_dir') or f'work_dirs/{path.stem}').as_posix()
    if launcher != 'none':
        join_processes(cfg)
    return cfg


def without_cache(config: dict) -> dict:
    """Copy the config of a data loader or data set without the caches of its data sets: what is read once gains nothing by them."""
    config = copy.deepcopy(config)
    for _, dataset in data_set_configs('dataset', config):
        dataset.pop('cache', None)
    return config


def hold_out(cfg, fold: int, folds: int) -> tuple[tuple[str, ...], object]:
    """Hold out part ``fold`` (from 0 on) of ``folds`` of the images that a segmentor's config tests on, wherever it trains on them.

    A training set that names ``fold`` itself, as ``fold=None``, is cut too: what is trained can then be tested on
    several sets. Returns what changes as ``KEY=VALUE``, ``fold`` and ``folds`` of each data set and ``split=test`` of
    the test set, which in many configs is the validation part, and the config with them. Raises a UsageError if it does
    not train on images of the folder that it tests on.
    """
    found = list(loaded_data_sets(cfg))
    tested = {own.get('data_root') for key, own in found if key.startswith('test')}
    cut = {key: own for key, own in found if own.get('data_root') in tested or 'fold' in own}
    trained = {key: own for key, own in cut.items() if key.startswith('train')}
    if cfg.get('default_scope') != 'mmseg' or not trained:
        raise UsageError(
            '--folds cuts the masks that a segmentor is trained and tested on, in train_dataloader and test_dataloader with '
            'one data_root, and there are none: leave it out.'
        )
    for key, own in trained.items():
        if own.get('split') == 'all':
            raise UsageError(
                f"{key} has split='all', of which no fold is held out: set split='train', with val_fraction=0.0 to train on all "
                'that is not held out.'
            )
    values = {f'{key}.{name}': n for key in cut for name, n in (('fold', fold), ('folds', folds))}
    values |= {f'{key}.split': 'test' for key, _ in found if key.startswith('test')}
    held_out = copy.deepcopy(cfg)
    held_out.merge_from_dict(values)
    return tuple(f'{key}={value}' for key, value in values.items()), held_out


def hold_out_nothing(cfg) -> None:
    """Validate and test on what is trained on, on purpose: to see that a network can learn a few images by heart.

    The config is changed in place: its training set, one alone (else a UsageError), takes all its pairs, and becomes the set of
    validation and test, with their own pipelines.
    """
    train = cfg.train_dataloader.dataset
    if 'dataset' in train or 'datasets' in train:
        raise UsageError(
            f'--overfit is for a single training set, and train_dataloader.dataset is a {train.get("type")}: choose one of its parts.'
        )
    if is_cut_by_hash(train):
        train.split = 'all'
        for key in ('fold', 'folds'):
            train.pop(key, None)
    for part in ('val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if loader:
            loader.dataset = copy.deepcopy(train) | dict(pipeline=loader.dataset.get('pipeline'), test_mode=True)

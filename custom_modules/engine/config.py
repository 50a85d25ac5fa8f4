"""Configs: reading, overriding by options, cutting into folds, and walking over what they hold."""

import argparse
import copy
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import Registry
from mmengine.runner import Runner

from custom_modules.engine.devices import join_processes, require_launcher, respect_core_limit
from custom_modules.utils.errors import UsageError, first_line

# top-level keys that the runner and the tools read besides the arguments of Runner
READ_FROM_CONFIG = (
    'activation_checkpointing', 'compile', 'efficient_conv_bn_eval', 'find_unused_parameters', 'model_wrapper_cfg',
    'sync_bn', 'tta_model', 'tta_pipeline',
)  # fmt: skip
PARTS = ('train', 'val', 'test')
# hooks of mmengine's runner, by their keys in default_hooks
OWN_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def each_config(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the dict at a key, or each dict of a list there, with its key as ``--cfg-options`` takes it (``loss.0``)."""
    if isinstance(value, dict):
        yield key, value
    else:
        yield from ((f'{key}.{i}', part) for i, part in enumerate(value or ()))


def value_at(mapping: object, *keys: str):
    """Look up a value in nested mappings, such as a config; None where a key is missing or its owner is no mapping."""
    for key in keys:
        mapping = mapping.get(key) if isinstance(mapping, Mapping | Config) else None
    return mapping


def find_class(registry: Registry, scope: str | None, config: dict) -> type | None:
    """Find the class that a config builds, by its ``type``, in a registry and its scope (``'mmseg'``); None if there is none."""
    with registry.switch_scope_and_registry(scope) as scoped:
        kind = config.get('type')
        return scoped.get(kind) if isinstance(kind, str) else kind


def data_set_configs(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield key and config of the data sets at a key; for a ``RepeatDataset`` or ``ConcatDataset`` those that it wraps (``key.dataset``)."""
    for part_key, part in each_config(key, value):
        inner = next((name for name in ('dataset', 'datasets') if name in part), None)
        if inner is None:
            yield part_key, part
        else:
            yield from data_set_configs(f'{part_key}.{inner}', part[inner])


def loaded_data_sets(cfg, parts: Iterable[str] = PARTS) -> Iterator[tuple[str, dict]]:
    """Yield the data sets of a config's data loaders, with keys such as ``train_dataloader.dataset``."""
    for part in parts:
        yield from data_set_configs(f'{part}_dataloader.dataset', value_at(cfg, f'{part}_dataloader', 'dataset'))


def type_name(config: dict) -> str:
    """Name the class that a config builds, without its scope: ``DiceLoss`` for ``mmseg.DiceLoss`` and for the class itself."""
    kind = config.get('type')
    return kind.rsplit('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')


def is_cut_by_hash(dataset: dict) -> bool:
    """Whether a data set's images are split by hash: one of this project's mask data sets, with one folder for all parts."""
    # mmpretrain's data sets take a string too
    return type_name(dataset) in ('MoonDataset', 'IndexedMaskDataset') and '{split}' not in str(dataset.get('data_prefix'))


def config_sections() -> set[str]:
    """Name the top-level keys of a config that something reads; all others are helper variables of the file."""
    return {*inspect.signature(Runner.__init__).parameters, *READ_FROM_CONFIG} - {'self', 'cfg'}


def require_read(cfg_options: Iterable[str]) -> None:
    """Raise a UsageError if a dotted key to override is not below a top-level key that something reads."""
    sections = config_sections()
    for key in cfg_options:
        if key.split('.')[0] not in sections:
            raise UsageError(
                f'--cfg-options {key} would change nothing: give the place that is read, such as '
                f'train_dataloader.dataset.data_root; the sections are {", ".join(sorted(sections))}.'
            )


def read_options(texts: Iterable[str]) -> dict[str, object]:
    """Read ``KEY=VALUE`` pairs of ``--cfg-options``; a value is a number, a word, or a list of these.

    Anything else is a UsageError, such as a dict, which mmengine would take for a word, or a bracket that is not closed.

    Example:
        >>> read_options(['load_size=(256,256)', 'train_dataloader.dataset.data_prefix.img_path=images/{split}'])
        {'load_size': (256, 256), 'train_dataloader.dataset.data_prefix.img_path': 'images/{split}'}
    """
    found = argparse.Namespace(options={})
    action = DictAction(['--cfg-options'], 'options')
    for text in texts:
        key, equals, value = text.partition('=')
        if not key or not equals:
            raise UsageError(f'a setting is written KEY=VALUE, got {text!r}.')
        # a brace within a word begins no dict: filename_tmpl=epoch_{}.pth
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
    """Read a config file as it is, or raise a UsageError that ends in the remedy."""
    try:
        return Config.fromfile(path)
    except UsageError:
        raise
    except Exception as error:
        # a config is a Python program, so any error is possible
        reason = f'{type(error).__name__}: {first_line(error).split(", the current sys.path")[0]}'
        modules = 'put the folder of its modules on PYTHONPATH, or ' if isinstance(error, ImportError) else ''
        raise UsageError(f'{path} cannot be read ({reason}): {modules}{remedy}.') from error


def load_config(
    path: str | Path, cfg_options: Mapping[str, object] | None = None, work_dir: str | Path | None = None, launcher: str = 'none'
) -> Config:
    """Read a config, override its settings, and set where and how it runs.

    Args:
        path (str | Path): The config file.
        cfg_options (Mapping, optional): Settings to override, by dotted key, as :func:`read_options` returns them.
        work_dir (str | Path, optional): Output folder of the run. Default: the config's own, else ``work_dirs/<config name>``.
        launcher (str): What started this process: ``'none'`` (default), ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        UsageError: If there is no such config, the launcher did not start this process, or an option would change nothing.
    """
    path = Path(path)
    if not path.is_file() or path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        known = [file.as_posix() for file in Path('configs').rglob('*.py')]
        like = next(iter(get_close_matches(path.as_posix(), known, 1)), 'configs/unet_baseline.py')
        raise UsageError(f'there is no config {path}: choose a file of configs/, such as {like}.')
    require_launcher(launcher)
    respect_core_limit()
    logger = MMLogger.get_current_instance()
    level = logger.level
    # mmengine logs every use of an environment variable
    logger.setLevel('WARNING')
    try:
        cfg = read_config(path, 'mend it, or what it inherits from')
    finally:
        logger.setLevel(level)
    imports = value_at(cfg, 'custom_imports', 'imports')
    names = [imports] if isinstance(imports, str) else imports or []
    if names and not any(name.startswith('custom_modules.') for name in names):
        # a child config's imports have replaced its base's
        ours = 'custom_modules.' + ('segmentation' if cfg.get('default_scope') == 'mmseg' else 'classification')
        cfg.custom_imports.imports = [ours, *names]
        import_module(ours)
    require_read(cfg_options or {})
    try:
        cfg.merge_from_dict(dict(cfg_options or {}))
    except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
        raise UsageError(
            f'--cfg-options cannot be put into {path} ({first_line(error)}): give keys that are there, and numbers for places in lists.'
        ) from error
    # the file's helper variables would fill the log and slow the dump
    for key in set(cfg) - config_sections() - {'custom_imports'}:
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
    """Copy a data loader's or data set's config without caches, which gain nothing where each image is read once."""
    config = copy.deepcopy(config)
    for _, dataset in data_set_configs('dataset', config):
        dataset.pop('cache', None)
    return config


def hold_out(cfg: Config, fold: int, folds: int) -> tuple[tuple[str, ...], Config]:
    """Set up one fold of a cross-validation: test on part ``fold`` (from 0 on) of ``folds``, and train on the others.

    Cut are the data sets with the test set's ``data_root``, and any whose config names ``fold`` itself, even as ``fold=None``.
    Returns the changes as ``KEY=VALUE`` (``fold`` and ``folds`` of each data set, ``split=test`` of the test set) and the
    changed copy of the config. Raises a UsageError if no training set is cut, or the config is no segmentor's.
    """
    data_sets = list(loaded_data_sets(cfg))
    test_roots = {dataset.get('data_root') for key, dataset in data_sets if key.startswith('test')} - {None}
    cut = {key: dataset for key, dataset in data_sets if dataset.get('data_root') in test_roots or 'fold' in dataset}
    trained = {key: dataset for key, dataset in cut.items() if key.startswith('train')}
    if cfg.get('default_scope') != 'mmseg' or not trained:
        raise UsageError(
            '--folds cuts the masks that a segmentor is trained and tested on, in train_dataloader and test_dataloader with '
            'one data_root, and there are none: leave it out.'
        )
    for key, dataset in trained.items():
        if dataset.get('split') == 'all':
            raise UsageError(
                f"{key} has split='all', of which no fold is held out: set split='train', with val_fraction=0.0 to train on all "
                'that is not held out.'
            )
    numbers = dict(fold=fold, folds=folds)
    values = {f'{key}.{name}': number for key in cut for name, number in numbers.items()}
    # the test set of many configs is the validation part
    values |= {f'{key}.split': 'test' for key, _ in data_sets if key.startswith('test')}
    held_out = copy.deepcopy(cfg)
    held_out.merge_from_dict(values)
    return tuple(f'{key}={value}' for key, value in values.items()), held_out

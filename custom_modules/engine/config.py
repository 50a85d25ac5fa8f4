"""Configs: read, changed by options, and looked through."""

import copy
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from custom_modules.engine.distributed import VARIABLES, join_without_gpu, require_launcher
from custom_modules.utils.errors import UsageError

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


def each_config(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the one dict, or those of a list, with their keys as ``--cfg-options`` takes them.

    Args:
        key (str): Where it stands in the config.
        value (dict | Sequence[dict] | None): What stands there.

    Example:
        >>> list(each_config('loss', [dict(type='A'), dict(type='B')]))
        [('loss.0', {'type': 'A'}), ('loss.1', {'type': 'B'})]
    """
    if isinstance(value, dict):
        yield key, value
    else:
        yield from ((f'{key}.{i}', part) for i, part in enumerate(value or ()))


def data_set_configs(key: str, value: dict | Sequence[dict] | None) -> Iterator[tuple[str, dict]]:
    """Yield the data sets themselves, also those within ``RepeatDataset`` or ``ConcatDataset``.

    Args:
        key (str): Where it stands in the config.
        value (dict | Sequence[dict] | None): What stands there.

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


def type_name(config: dict) -> str:
    """Name what a config builds, without the scope before it: ``mmseg.DiceLoss`` and the class itself are ``DiceLoss``."""
    kind = config.get('type')
    return kind.rsplit('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')


def config_sections() -> set[str]:
    """Name the top-level keys of a config that do something; the others only shaped it."""
    parameters = inspect.signature(Runner.__init__).parameters
    return {*parameters, *READ_FROM_CONFIG} - {'self', 'cfg'}


def read_option(text: str) -> tuple[str, object]:
    """Read one ``KEY=VALUE`` of ``--cfg-options``.

    mmengine takes ``a=dict(b=1)`` for a word and gives up on a bracket that stays open; both are refused.

    Args:
        text (str): A value is a number, a word, or a list of these.

    Returns:
        tuple[str, object]: The dotted key and its value.

    Raises:
        UsageError: If it is no such pair.

    Example:
        >>> read_option('load_size=(256,256)')
        ('load_size', (256, 256))
        >>> read_option('default_hooks.checkpoint.filename_tmpl=e{}.pth')
        ('default_hooks.checkpoint.filename_tmpl', 'e{}.pth')
    """
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
        return key, DictAction._parse_iterable(value)
    except (AssertionError, RecursionError) as error:
        raise UsageError(
            f'a setting cannot be read from {text!r}: every bracket and quote has to close, and a comma outside of brackets '
            'makes a list.'
        ) from error


def read_options(texts: Iterable[str]) -> dict[str, object]:
    """Read all pairs of ``--cfg-options``, see :func:`read_option`."""
    return dict(map(read_option, texts))


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

    Returns:
        mmengine.Config: The config.

    Raises:
        UsageError: If there is no such config, the launcher did not start this process, or an option would change nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(
            f'there is no config {path}: choose a file of configs/, such as configs/unet_baseline.py.'
        )
    require_launcher(launcher)
    logger = MMLogger.get_current_instance()
    level = logger.level
    # mmengine says of each variable of the environment that it reads it, once for each place
    logger.setLevel('WARNING')
    try:
        cfg = Config.fromfile(path)
    finally:
        logger.setLevel(level)
    sections = config_sections()
    for key in cfg_options or {}:
        if key.split('.')[0] not in sections:
            raise UsageError(
                f'--cfg-options {key} would change nothing: give the place that is read, such as '
                f'train_dataloader.dataset.data_root; the sections are {", ".join(sorted(sections))}.'
            )
    cfg.merge_from_dict(dict(cfg_options or {}))
    # variables that only shaped the config would fill the log and slow the dump
    for key in set(cfg) - sections - {'custom_imports'}:
        cfg.pop(key)
    cfg.launcher = launcher
    # backslashes would break the config that mmengine dumps
    cfg.work_dir = Path(work_dir or cfg.get('work_dir') or f'work_dirs/{path.stem}').as_posix()
    if launcher != 'none':
        # mmengine's wrapper reads it, which some launchers do not set
        os.environ.setdefault('LOCAL_RANK', os.environ[VARIABLES[launcher][2]])
        if get_device() == 'cpu':
            join_without_gpu(cfg)
    return cfg


def without_cache(config: dict) -> dict:
    """Tell data sets to keep nothing decoded: what is read once gains nothing by it.

    Args:
        config (dict): Config of a data loader, or of a data set, which may wrap others.

    Returns:
        dict: A copy without.
    """
    config = copy.deepcopy(config)
    for _, dataset in data_set_configs('dataset', config):
        dataset.pop('cache', None)
    return config

"""Configs: read, changed by options, and looked through."""

import argparse
import copy
import inspect
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmengine.config import DictAction

from custom_modules.engine.distributed import join_without_gpu, require_launcher
from custom_modules.utils.errors import UsageError


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


class ConfigOptions(DictAction):
    """mmengine's ``--cfg-options`` that answers what it cannot read with the parser's usage line."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Parse the pairs.

        Args:
            parser (argparse.ArgumentParser): The parser.
            namespace (argparse.Namespace): Where the parsed pairs go.
            values (list[str]): The pairs as they stand on the command line.
            option_string (str, optional): The flag as written.
        """
        try:
            pairs = dict(self.pair(value) for value in values)
        except UsageError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), **pairs})

    @staticmethod
    def pair(text: str) -> tuple[str, object]:
        """Read one pair. mmengine takes ``a=dict(b=1)`` for a word and gives up on a bracket that stays open.

        Args:
            text (str): ``KEY=VALUE``, a value being a number, a word, or a list of these.

        Returns:
            tuple[str, object]: The dotted key and its value.

        Raises:
            UsageError: If it is no such pair.

        Example:
            >>> ConfigOptions.pair('load_size=(256,256)')
            ('load_size', (256, 256))
            >>> ConfigOptions.pair('default_hooks.checkpoint.filename_tmpl=e{}.pth')
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


def common_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments that training and testing share.

    Args:
        description (str): One line for ``--help``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file, such as configs/unet_backbone_frozen.py')
    parser.add_argument('--work-dir', help='where to write (default: ./work_dirs/<config name>)')
    add_cfg_options(
        parser,
        'settings to override, such as train_cfg.max_epochs=60 randomness.seed=1; lists as key="[a,b]", without blanks',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # older launchers pass it, newer ones set the variable
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def config_sections() -> set[str]:
    """Name the top-level keys of a config that do something; the others only shaped it."""
    from mmengine.runner import Runner

    parameters = inspect.signature(Runner.__init__).parameters
    return {*parameters, *READ_FROM_CONFIG} - {'self', 'cfg'}


def load_config(args: argparse.Namespace):
    """Read the config and merge the shared arguments into it.

    Args:
        args (argparse.Namespace): Parsed by :func:`common_parser`.

    Returns:
        mmengine.Config: The merged config.

    Raises:
        UsageError: If there is no such config, a launcher did not start this process, an option would change nothing, or
            the data sets cut the same images into different parts.
    """
    from mmengine.config import Config
    from mmengine.device import get_device

    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    path = Path(args.config)
    if not path.is_file():
        raise UsageError(
            f'there is no config {path}: choose a file of configs/, such as configs/unet_baseline.py.'
        )
    require_launcher(args.launcher)
    cfg = Config.fromfile(path)
    sections = config_sections()
    for key in args.cfg_options or {}:
        if key.split('.')[0] not in sections:
            raise UsageError(
                f'--cfg-options {key} would change nothing: give the place that is read, such as '
                f'train_dataloader.dataset.data_root; the sections are {", ".join(sorted(sections))}.'
            )
    cfg.merge_from_dict(args.cfg_options or {})
    # variables that only shaped the config would fill the log and slow the dump
    for key in set(cfg) - sections - {'custom_imports'}:
        cfg.pop(key)
    _require_one_split(cfg)
    cfg.launcher = args.launcher
    work_dir = args.work_dir or cfg.get('work_dir') or Path('work_dirs') / path.stem
    # backslashes would break the config that mmengine dumps
    cfg.work_dir = Path(work_dir).as_posix()
    if args.launcher != 'none' and get_device() == 'cpu':
        join_without_gpu(cfg)
    return cfg


def _require_one_split(cfg) -> None:
    """Refuse data sets of one folder that are cut differently: a test image could be a training image."""
    cuts = {}
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader') or {}
        for _, dataset in data_set_configs(name, loader.get('dataset')):
            folder = ' '.join((dataset.get('data_prefix') or {}).values())
            hashed = type_name(dataset) in ('MoonDataset', 'IndexedMaskDataset')
            # {split} in a folder's name: the parts have folders of their own; all is cut nowhere
            if hashed and '{split}' not in folder and dataset.get('split') != 'all':
                cut = f'val_fraction={float(dataset.get("val_fraction", 0.2))}'
                listed = [f'ann_file={dataset.ann_file}'] if dataset.get('ann_file') else []
                if dataset.get('fold') is not None:
                    folds = f'fold={dataset.fold} folds={dataset.get("folds", 5)}'
                    cut = ' '.join([folds, cut, *listed])
                elif listed:
                    # a list beside a hashed part knows nothing of it either
                    cut = 'ann_file'
                else:
                    cut += f' test_fraction={float(dataset.get("test_fraction", 0.0))}'
                cuts.setdefault((os.path.normpath(dataset.data_root), folder), set()).add(cut)
    for (root, _), found in cuts.items():
        if len(found) > 1:
            raise UsageError(
                f'the data sets on {root} are cut differently ({" and ".join(sorted(found))}): set the same '
                'in the train, val and test data loader, or images are shared between them.'
            )


ONE = 'config file of a segmentor, such as configs/unet_baseline.py'


def add_config(parser: argparse.ArgumentParser, example: str, text: str = ONE) -> None:
    """Add ``config`` and ``--cfg-options`` to a tool that runs in one process and writes nothing to the run's own folders.

    Args:
        parser (argparse.ArgumentParser): The tool's parser, whose arguments :func:`load_config` then takes.
        example (str): For ``--help``: an override that makes sense there.
        text (str): For ``--help``: what config. Defaults to that of a segmentor.
    """
    parser.add_argument('config', help=text)
    add_cfg_options(parser, f'settings to override, such as {example}')
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)


def add_cfg_options(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--cfg-options`` alone.

    Args:
        parser (argparse.ArgumentParser): The parser.
        text (str): For ``--help``.
    """
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE', help=text
    )


def at_least_one(text: str) -> int:
    """Read a whole number of at least 1, for ``type`` of an argument.

    Args:
        text (str): As it stands on the command line.

    Raises:
        argparse.ArgumentTypeError: If it is none.

    Example:
        >>> at_least_one('3')
        3
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 1')
    return int(text)


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

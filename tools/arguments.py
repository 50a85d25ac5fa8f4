"""Arguments that the tools share; nothing heavy is imported before the command line is read."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import require_absent

SEGMENTOR = 'config file of a segmentor, such as configs/unet_baseline.py'


class ConfigOptions(argparse.Action):
    """``--cfg-options`` as mmengine has it; what cannot be read is answered with the parser's usage line."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Read the pairs, and put them into the namespace, as a dict."""
        from custom_modules.engine.config import read_options

        try:
            pairs = read_options(values)
        except UsageError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), **pairs})


def common_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the arguments that training and testing share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file, such as configs/unet_backbone_frozen.py')
    parser.add_argument('--work-dir', help='where to write (default: ./work_dirs/<config name>)')
    add_cfg_options(
        parser, 'settings to override, such as train_cfg.max_epochs=60 randomness.seed=1; lists as key="[a,b]", without blanks'
    )
    text = 'what started this process (default: none)'
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help=text)
    # older launchers pass it, newer ones set the variable
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def add_config(parser: argparse.ArgumentParser, example: str, text: str = SEGMENTOR) -> None:
    """Add ``config`` (``text`` says which) and ``--cfg-options`` (``example`` is one that makes sense there)."""
    parser.add_argument('config', help=text)
    add_cfg_options(parser, f'settings to override, such as {example}')


def checked_config(args):
    """Read the config that a command line names, with its ``--cfg-options``, and check it."""
    from custom_modules.engine.config import load_config
    from custom_modules.engine.config_checks import check_config

    cfg = load_config(args.config, args.cfg_options)
    check_config(cfg)
    return cfg


def add_cfg_options(parser: argparse.ArgumentParser, text: str) -> None:
    """Add ``--cfg-options`` alone."""
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE', help=text)


def at_least_zero(text: str) -> int:
    """Read a whole number of at least 0, for ``type`` of an argument."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 0')
    return int(text)


def at_least_one(text: str) -> int:
    """Read a whole number of at least 1, for ``type`` of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 1')
    return int(text)


def require_free_folder(folder: Path, patterns: Sequence[str], option: str = '--out') -> None:
    """Raise a UsageError if a folder for results would be inside a file, or holds files of these glob patterns already."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise UsageError(f'{path} is a file, but {option} is a folder: choose another.')
    for pattern in patterns:
        for found in folder.glob(pattern):
            require_absent(found, f'choose another folder with {option}')


def require_empty_folder(folder: Path, overwrite: bool, flag: str) -> None:
    """Refuse a place for a report that is no folder, or holds something that is not to be replaced."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not overwrite)):
        raise UsageError(
            f'{folder} exists and is not an empty folder: choose another with {flag}, or add --overwrite to replace the '
            'report in it.'
        )

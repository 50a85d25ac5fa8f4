"""What the command lines share that take a config."""

import argparse

from .config_options import ConfigOptions

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

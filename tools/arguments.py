"""Arguments that the tools share; nothing heavy is imported before the command line is read."""

import argparse

from custom_modules.utils.errors import UsageError

ONE = 'config file of a segmentor, such as configs/unet_baseline.py'


class ConfigOptions(argparse.Action):
    """``--cfg-options`` as mmengine has it; what cannot be read is answered with the parser's usage line."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Read the pairs.

        Args:
            parser (argparse.ArgumentParser): The parser.
            namespace (argparse.Namespace): Where the pairs go, as a dict.
            values (list[str]): The pairs as they stand on the command line.
            option_string (str, optional): The flag as written.
        """
        from custom_modules.engine.config import read_options

        try:
            pairs = read_options(values)
        except UsageError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), **pairs})


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


def add_config(parser: argparse.ArgumentParser, example: str, text: str = ONE) -> None:
    """Add ``config`` and ``--cfg-options`` to a tool that runs in one process and writes nothing to the run's own folders.

    Args:
        parser (argparse.ArgumentParser): The tool's parser.
        example (str): For ``--help``: an override that makes sense there.
        text (str): For ``--help``: what config. Defaults to that of a segmentor.
    """
    parser.add_argument('config', help=text)
    add_cfg_options(parser, f'settings to override, such as {example}')


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

import argparse
import os
from pathlib import Path

from custom_modules.engine.config import add_config, at_least_one
from custom_modules.utils.machine import available_cores

CONFIG = 'config of a segmentor, such as configs/unet_baseline.py'


def benchmark_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of ``tools/benchmark.py``.

    Args:
        description (str): One line for ``--help``.
    """
    parser = argparse.ArgumentParser(description=description)
    commands = parser.add_subparsers(dest='command', required=True)
    either = f'{CONFIG}, or of a classifier'
    train = _measurement(
        commands, 'train', 'whole epochs with validation, and the parts of an iteration', either
    )
    train.add_argument(
        '--epochs',
        type=_epochs,
        default=4,
        help='epochs of each contestant in each repeat, 2 or more, of which the first warms up (default: 4)',
    )
    train.add_argument(
        '--levers',
        nargs='*',
        metavar='NAME',
        help="instead of other contestants: the config with one of the fast path's levers the other way (off if it is on), one at "
        'a time; all of custom_modules/benchmark/levers.py without a NAME',
    )
    data = _measurement(
        commands,
        'data',
        'the training loader alone, with workers and with none',
        either,
    )
    infer = _measurement(
        commands, 'infer', 'prediction: the network alone, and from files to class indices', CONFIG
    )
    infer.add_argument(
        'checkpoint', nargs='?', help='checkpoint of the config (default: random weights, as fast)'
    )
    infer.add_argument(
        '--images',
        type=at_least_one,
        default=64,
        help='images of each contestant, batch size and repeat (default: 64)',
    )
    infer.add_argument(
        '--batch',
        type=at_least_one,
        nargs='+',
        default=[1, 16],
        help='batch sizes (default: 1 16)',
    )
    for command in (train, data):
        command.add_argument(
            '--batch', type=at_least_one, help="training batch size (default: the config's)"
        )
    table = commands.add_parser('table', help='print the tables of a benchmark again, in Markdown')
    table.add_argument('json', type=Path, help='its JSON file')
    return parser


def _measurement(commands, name: str, text: str, config: str) -> argparse.ArgumentParser:
    """Add a command with the arguments that all measurements share."""
    command = commands.add_parser(name, help=text, description=f'Measure {text}.')
    add_config(command, 'default_hooks.compile.enabled=True', config)
    command.add_argument(
        '--out', type=Path, help='folder to write to (default: work_dirs/benchmark/<config name>)'
    )
    command.add_argument(
        '--repeats',
        type=at_least_one,
        default=3,
        help='how often everything is measured (default: 3; train and data start all contestants anew each time)',
    )
    command.add_argument(
        '--pairs',
        type=at_least_one,
        help='use only so many training pairs (of a classifier: images), and a quarter as many for validation (default: all)',
    )
    command.add_argument(
        '--data',
        type=at_least_one,
        metavar='N',
        help="render N synthetic pairs of 720x480 into data/, once, and use them (default: the config's own data, "
        'such as those in MOON_DATA)',
    )
    command.add_argument(
        '--threads',
        type=at_least_one,
        default=int(os.environ.get('OMP_NUM_THREADS') or available_cores()),
        help="torch's threads, for all contestants (default: OMP_NUM_THREADS, else the cores)",
    )
    command.add_argument(
        '--workers',
        type=int,
        default=min(4, available_cores()),
        help="worker processes of each loader of the other contestants (default: OpenMMLab's 4, or the cores where "
        'there are fewer); the config sets its own',
    )
    return command


def _epochs(text: str) -> int:
    if at_least_one(text) < 2:
        raise argparse.ArgumentTypeError('it takes 2 or more: the first warms up')
    return int(text)

"""The sub-command of `tools/prepare_data.py` that renders a set."""

import argparse
import os
import re

from custom_modules.preparation.look import Look
from custom_modules.preparation.moon_renderer import MoonRenderer
from custom_modules.preparation.print_next import print_next
from custom_modules.preparation.synthetic_set import SyntheticSet


def add_synthetic_command(add, data):
    """Add `synthetic` to a command line.

    Args:
        add: Adds a sub-command, given its name, function, text, and default and help of its --out.
        data: Folder of all data sets.
    """
    text = 'Render a small synthetic lunar set with exact masks; an interrupted run goes on.'
    command = add('synthetic', _synthetic, text, data / 'moon_synthetic', 'folder of the set')
    command.add_argument('--count', type=int, default=120, help='number of pictures')
    command.add_argument(
        '--size', type=_picture_size, default='720x480', help='width x height in pixels'
    )
    command.add_argument('--seed', type=int, default=0, help='seed; same seed, same bytes')
    command.add_argument(
        '--style',
        choices=Look.STYLES,
        default='mixed',
        help="imitate the public grey renders, a rover's photographs, or half and half; or only photographs of "
        'one boulder before the lens',
    )
    command.add_argument(
        '--min-rock',
        type=int,
        default=MoonRenderer.MIN_ROCK,
        help='least visible area of a labelled rock, in pixels of a picture of 720x480 (it scales '
        'with the picture); smaller ones are shown and are background; 0 labels all but pebbles',
    )
    command.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='number of processes'
    )
    command.add_argument(
        '--overwrite', action='store_true', help='replace another synthetic set in --out'
    )


def _picture_size(text):
    """Parse '720x480' into (720, 480) pixels."""
    found = re.fullmatch(r'(\d+)[xX](\d+)', text)
    if not found:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 720x480')
    return int(found[1]), int(found[2])


def _synthetic(args):
    made = SyntheticSet(args.out, args.count, args.size, args.seed, args.style, args.min_rock)
    print(
        f'Rendering {args.count} pictures to {args.out} with {args.workers} processes.', flush=True
    )
    rendered = made.make(args.workers, args.overwrite)
    if rendered:
        print(f'Rendered {rendered} of {args.count} pictures to {args.out}.')
    else:
        print(f'All {args.count} pictures are in {args.out}: nothing to do.')
    print_next(args.out)

"""Prepare data: render a lunar set, convert the public one or COCO, unpack Tiny ImageNet."""

import argparse
import os
import re
import sys
from pathlib import Path
from shlex import quote

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from custom_modules.preparation.add_coco_commands import add_coco_commands
from custom_modules.preparation.look import Look
from custom_modules.preparation.lunar_converter import LunarConverter
from custom_modules.preparation.lunar_source import LunarSource
from custom_modules.preparation.moon_renderer import MoonRenderer
from custom_modules.preparation.synthetic_set import SyntheticSet
from custom_modules.preparation.tiny_imagenet_archive import TinyImageNetArchive
from custom_modules.usage_error import UsageError


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a wrong argument as one sentence, without the usage text."""

    def error(self, message):
        """Raise instead of printing, so that every error ends in the same place."""
        raise UsageError(f'{message} (see: {self.prog} --help).')


def picture_size(text):
    """Parse '720x480' into (720, 480) pixels."""
    found = re.fullmatch(r'(\d+)[xX](\d+)', text)
    if not found:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 720x480')
    return int(found[1]), int(found[2])


def build_parser():
    """Return the command line."""
    parser = OneLineParser(prog='prepare_data.py', description=__doc__)
    commands = parser.add_subparsers(title='commands', dest='command', required=True)

    def add(name, run, text, out, out_text):
        shape = argparse.ArgumentDefaultsHelpFormatter
        command = commands.add_parser(name, help=text, description=text, formatter_class=shape)
        # suppressed where there is none, so that the help does not say "default: None"
        default = argparse.SUPPRESS if out is None else out
        command.add_argument(
            '--out', type=Path, default=default, required=out is None, help=out_text
        )
        command.set_defaults(run=run)
        return command

    text = 'Render a small synthetic lunar set with exact masks; an interrupted run goes on.'
    data = ROOT / 'data'
    command = add('synthetic', synthetic, text, data / 'moon_synthetic', 'folder of the set')
    command.add_argument('--count', type=int, default=120, help='number of pictures')
    command.add_argument(
        '--size', type=picture_size, default='720x480', help='width x height in pixels'
    )
    command.add_argument('--seed', type=int, default=0, help='seed; same seed, same bytes')
    command.add_argument(
        '--style',
        choices=Look.STYLES,
        default='mixed',
        help="imitate the public grey renders, a rover's photographs, or half and half",
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

    text = 'Convert the public Artificial Lunar Landscape set into binary and multi-class sets.'
    command = add('lunar', lunar, text, data, 'folder for the sets')
    command.add_argument(
        'src', type=Path, help='folder with images/render, images/clean or images/ground'
    )
    command.add_argument(
        '--only',
        choices=['clean', 'ground'],
        help='only renders whose mask is from this folder (images/clean is preferred where both have one)',
    )
    command.add_argument(
        '--without-pebbles',
        action='store_true',
        help='take out of binary masks from images/ground what images/clean leaves out: thin areas, and those '
        'below 240 pixels of a picture of 720x480',
    )
    command.add_argument(
        '--overwrite', action='store_true', help='replace existing files that differ'
    )

    text = 'Unpack a Tiny ImageNet archive (zip or tar) after checking that it is safe.'
    command = add('tiny-imagenet', tiny_imagenet, text, data, 'folder to unpack to')
    command.add_argument('archive', type=Path, help='the downloaded archive')

    add_coco_commands(add)
    return parser


def print_next(data):
    """Print the command that trains on the set in folder `data`."""
    variable = f'MOON_DATA={quote(str(data))}'
    print(f'Next: {variable} python tools/train.py configs/unet_backbone_frozen.py')


def synthetic(args):
    """Render a synthetic set."""
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


def lunar(args):
    """Convert the public lunar set."""
    source = LunarSource(args.src, args.only)
    pebbles = not args.without_pebbles
    written = LunarConverter(source, args.out, args.overwrite, pebbles).convert()
    kinds = source.kinds
    print(
        f'Masks of {len(source.renders)} renders: {kinds["clean"]} from images/clean, '
        f'{kinds["ground"]} from images/ground; photographs: {len(source.photos)}.'
    )
    for pictures, what in ((source.bare, 'without a mask'), (source.grey, 'with a grey mask only')):
        if pictures:
            names = ', '.join(path.name for path in pictures[:5])
            more = ', ...' if len(pictures) > 5 else ''
            print(f'Left out {len(pictures)} pictures {what}: {names}{more}')
    for folder, pairs in written.items():
        print(f'Wrote {folder}: {pairs} pairs.')
    print_next(next(iter(written)))


def tiny_imagenet(args):
    """Unpack Tiny ImageNet."""
    archive = TinyImageNetArchive(args.archive, args.out)
    files = archive.unpack()
    if files:
        print(f'Unpacked {files} files, {archive.classes()} classes, to {archive.target}.')
    else:
        print(f'{archive.target} is already there: nothing to do.')
    print('Next: python tools/train.py configs/classifier.py')


def main(argv=None):
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        Exit code: 0 done, 2 bad input, 130 interrupted.
    """
    try:
        args = build_parser().parse_args(argv)
        args.run(args)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f'Cannot go on: {error}.', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('Stopped; no file is half written: run the same command again.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    raise SystemExit(main())

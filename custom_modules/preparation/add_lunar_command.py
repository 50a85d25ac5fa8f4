"""The sub-command of `tools/prepare_data.py` that converts the public lunar set."""

from pathlib import Path

from custom_modules.preparation.lunar_converter import LunarConverter
from custom_modules.preparation.lunar_source import LunarSource
from custom_modules.preparation.print_next import print_next


def add_lunar_command(add, data):
    """Add `lunar` to a command line.

    Args:
        add: Adds a sub-command, given its name, function, text, and default and help of its --out.
        data: Folder of all data sets.
    """
    text = 'Convert the public Artificial Lunar Landscape set into binary and multi-class sets.'
    command = add('lunar', _lunar, text, data, 'folder for the sets')
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


def _lunar(args):
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

"""The sub-commands of tools/prepare_data.py."""

import argparse
import os
import re
from pathlib import Path
from shlex import quote

from custom_modules.preparation.lunar import LunarConverter, LunarSource
from custom_modules.preparation.synthetic.camera import Look
from custom_modules.preparation.synthetic.dataset import SyntheticSet
from custom_modules.preparation.synthetic.renderer import MoonRenderer
from custom_modules.utils.errors import UsageError, first_five


def print_next(data):
    """Print the command that trains on the set in folder `data`."""
    variable = f'MOON_DATA={quote(str(data))}'
    print(f'Next: {variable} python tools/train.py configs/unet_backbone_frozen.py')


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


def add_coco_commands(add):
    """Add `coco-to-masks` and `masks-to-coco` to a command line.

    Args:
        add: Adds a sub-command, given its name, function, text, and default and help of its --out.
    """
    replace = dict(action='store_true', help='replace existing files that differ')

    text = 'Draw COCO annotations as index masks: 0 background, 1 to N the categories by their id.'
    command = add('coco-to-masks', _coco_to_masks, text, None, 'folder for masks, classes.txt')
    command.add_argument('json', type=Path, help='COCO annotations: polygons or run lengths')
    command.add_argument('--images', type=Path, help='folder of the images, to copy them too')
    command.add_argument('--overwrite', **replace)

    text = 'Write index masks as COCO annotations, one for every connected component of a class.'
    command = add('masks-to-coco', _masks_to_coco, text, None, 'json to write')
    command.add_argument('images', type=Path, help='folder of the images, .png, .jpg or .jpeg')
    command.add_argument('masks', type=Path, help='folder of the masks, .png of the same names')
    command.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='names of index 0 (background), 1, ...; without it the lines of classes.txt beside the '
        'folder of the masks',
    )
    command.add_argument('--img-prefix', default='', help='start of image names, such as render')
    command.add_argument('--mask-prefix', default='', help='start of mask names, such as ground')
    command.add_argument('--overwrite', **replace)


# pycocotools is imported where it is used: the other sub-commands do without it.
def _coco_to_masks(args):
    from custom_modules.preparation.coco import CocoToMasks
    from custom_modules.preparation.coco_file import CocoFile

    coco = CocoFile(args.json)
    made = CocoToMasks(coco, args.out, args.images, args.overwrite)
    written = made.convert()
    classes = ', '.join(f'{i} {name}' for i, name in enumerate(coco.names))
    print(f'Wrote {written} files to {args.out}; {made.masks} masks are there.')
    for what, names in coco.left_out.items():
        print(f'Left out or changed: {len(names)} {what}: {first_five(names)}')
    print(f'Classes: {classes}')


def _masks_to_coco(args):
    from custom_modules.preparation.coco import MaskPairs, MasksToCoco

    names = args.classes
    if not names:
        listed = args.masks.resolve().parent / 'classes.txt'
        if not listed.is_file():
            raise UsageError(
                f'The classes are neither named by --classes background NAME ... nor in {listed}.'
            )
        names = listed.read_text(encoding='utf-8').splitlines()
    source = MaskPairs(args.images, args.masks, args.img_prefix, args.mask_prefix)
    if source.unused:
        examples = ', '.join(path.name for path in source.unused[:5])
        print(f'Left out {len(source.unused)} files that are named otherwise, such as {examples}')
    coco = MasksToCoco(source, names).write(args.out, args.overwrite)
    counts = ', '.join(f'{len(entries)} {part}' for part, entries in coco.items())
    print(f'Wrote {args.out}: {counts}.')

"""Prepare data: render a lunar set, convert the public one or COCO, unpack Tiny ImageNet."""

import argparse
import re
import sys
from pathlib import Path
from shlex import quote

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from custom_modules.utils.errors import UsageError, first_five, sentence_of
from custom_modules.utils.machine import available_cores

DATA = ROOT / 'data'
# here, so that --help needs no other library; a test holds them to the renderer's own
STYLES = ('render', 'photo', 'mixed', 'goal')
MIN_ROCK = 200


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

    def add(name, run, text, out, out_text, replaced=None):
        shape = argparse.ArgumentDefaultsHelpFormatter
        command = commands.add_parser(name, help=text, description=text, formatter_class=shape)
        # suppressed where there is none, so that the help does not say "default: None"
        default = argparse.SUPPRESS if out is None else out
        command.add_argument('--out', type=Path, default=default, required=out is None, help=out_text)
        if replaced:
            command.add_argument('--overwrite', action='store_true', help=f'replace {replaced}')
        command.set_defaults(run=run)
        return command.add_argument

    differing = 'existing files that differ'

    text = 'Render a small synthetic lunar set with exact masks; an interrupted run goes on.'
    out, another = DATA / 'moon_synthetic', 'another synthetic set in --out'
    option = add('synthetic', synthetic, text, out, 'folder of the set', another)
    option('--count', type=int, default=120, help='number of pictures')
    option('--size', type=picture_size, default='720x480', help='width x height in pixels')
    option('--seed', type=int, default=0, help='seed; same seed, same bytes')
    text = (
        "imitate the public grey renders, a rover's photographs, or half and half; or only photographs of "
        'one boulder before the lens'
    )
    option('--style', choices=STYLES, default='mixed', help=text)
    text = (
        'least visible area of a labelled rock, in pixels of a picture of 720x480 (it scales '
        'with the picture); smaller ones are shown and are background; 0 labels all but pebbles'
    )
    option('--min-rock', type=int, default=MIN_ROCK, help=text)
    option('--workers', type=int, default=available_cores(), help='number of processes')

    text = 'Convert the public Artificial Lunar Landscape set into binary and multi-class sets.'
    option = add('lunar', lunar, text, DATA, 'folder for the sets', differing)
    option('src', type=Path, help='folder with images/render, images/clean or images/ground')
    text = 'only renders with a mask in this folder, and that mask (by default images/clean is preferred)'
    option('--only', choices=['clean', 'ground'], help=text)
    option('--names', metavar='FILE', help='only the pictures of this list, one name per line, such as 0016 or PCAM2')
    text = (
        'take out of binary masks from images/ground what images/clean leaves out: thin areas, and those '
        'below 240 pixels of a picture of 720x480'
    )
    option('--without-pebbles', action='store_true', help=text)

    text = 'Unpack a Tiny ImageNet archive (zip or tar) after checking that it is safe.'
    option = add('tiny-imagenet', tiny_imagenet, text, DATA, 'folder to unpack to')
    option('archive', type=Path, help='the downloaded archive')

    text = 'Draw annotations of COCO, labelme or CVAT as index masks: 0 background, 1 to N the categories.'
    out_text = 'folder for masks, classes.txt'
    option = add('coco-to-masks', coco_to_masks, text, None, out_text, differing)
    text = "COCO json, CVAT's XML file, or the folder of labelme's json files"
    option('source', type=Path, help=text)
    option('--images', type=Path, help='folder of the images, to copy them too')

    text = 'Write index masks as COCO annotations, one for every connected component of a class.'
    option = add('masks-to-coco', masks_to_coco, text, None, 'json to write', differing)
    option('images', type=Path, help='folder of the images, of any format that training reads')
    option('masks', type=Path, help='folder of the masks, of the same names')
    text = 'names of index 0 (background), 1, ...; without it the lines of classes.txt beside the folder of the masks'
    option('--classes', nargs='+', metavar='NAME', help=text)
    option('--img-prefix', default='', help='start of image names, such as render')
    option('--mask-prefix', default='', help='start of mask names, such as ground')
    return parser


def print_next(data):
    """Print the command that trains on the set in folder `data`."""
    variable = f'MOON_DATA={quote(str(data))}'
    print(f'Next: {variable} python tools/train.py configs/unet_backbone_frozen.py')


def synthetic(args):
    """Render a set."""
    from custom_modules.preparation.synthetic.dataset import SyntheticSet

    made = SyntheticSet(args.out, args.count, args.size, args.seed, args.style, args.min_rock)
    print(f'Rendering {args.count} pictures to {args.out} with {args.workers} processes.', flush=True)
    rendered = made.make(args.workers, args.overwrite)
    if rendered:
        print(f'Rendered {rendered} of {args.count} pictures to {args.out}.')
    else:
        print(f'All {args.count} pictures are in {args.out}: nothing to do.')
    print_next(args.out)


def lunar(args):
    """Convert the public set."""
    from custom_modules.preparation.lunar import LunarSource, convert_lunar
    from custom_modules.utils.files import read_lines

    source = LunarSource(args.src, args.only, read_lines(args.names) if args.names else None)
    written = convert_lunar(source, args.out, args.overwrite, not args.without_pebbles)
    kinds = ', '.join(f'{count} from images/{kind}' for kind, count in source.kinds.items())
    print(f'Masks of {len(source.renders)} renders: {kinds}; photographs: {len(source.photos)}.')
    for pictures, what in ((source.bare, 'without a mask'), (source.grey, 'with a grey mask only')):
        if pictures:
            names = first_five(path.name for path in pictures)
            print(f'Left out {len(pictures)} pictures {what}: {names}')
    for folder, pairs in written.items():
        others = len(list(folder.glob('images/render/render*.png'))) - pairs
        # a training reads all that is in the folder
        print(f'Wrote {folder}: {pairs} pairs{f", beside {others} others that were there" * bool(others)}.')
    print_next(next(iter(written)))


def tiny_imagenet(args):
    """Unpack Tiny ImageNet."""
    from custom_modules.preparation.tiny_imagenet import unpack_tiny_imagenet

    folder, files = unpack_tiny_imagenet(args.archive, args.out)
    if files:
        classes = sum(path.is_dir() for path in (folder / 'train').iterdir())
        print(f'Unpacked {files} files, {classes} classes, to {folder}.')
    else:
        print(f'{folder} is already there and stays as it is: to unpack it anew, move it away.')
    print(f'Next: TINY_IMAGENET={quote(str(folder))} python tools/train.py configs/classifier.py')


def coco_to_masks(args):
    """Draw COCO annotations."""
    from custom_modules.preparation import coco as conversion
    from custom_modules.preparation.coco_file import CocoFile

    coco = CocoFile(args.source)
    written, masks = conversion.coco_to_masks(coco, args.out, args.images, args.overwrite)
    classes = ', '.join(f'{i} {name}' for i, name in enumerate(coco.names))
    print(f'Wrote {written} files to {args.out}; {masks} masks are there.')
    for what, names in coco.left_out.items():
        print(f'Left out or changed: {len(names)} {what}: {first_five(names)}')
    print(f'Classes: {classes}')


def masks_to_coco(args):
    """Write masks as COCO annotations."""
    from custom_modules.preparation import coco as conversion
    from custom_modules.utils.files import read_lines

    pairs, unused = conversion.mask_pairs(args.images, args.masks, args.img_prefix, args.mask_prefix)
    names = args.classes
    if not names:
        listed = args.masks.resolve().parent / 'classes.txt'
        if not listed.is_file():
            raise UsageError(f'The classes are neither named by --classes background NAME ... nor in {listed}.')
        names = read_lines(listed)
    if unused:
        examples = first_five(path.name for path in unused)
        print(f'Left out {len(unused)} files that are named otherwise, such as {examples}')
    coco = conversion.masks_to_coco(pairs, args.images, names, args.out, args.overwrite)
    counts = ', '.join(f'{len(entries)} {part}' for part, entries in coco.items())
    print(f'Wrote {args.out}: {counts}.')


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
        print(sentence_of(error) or f'Cannot go on: {error}.', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('Stopped; no file is half written: run the same command again.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    raise SystemExit(main())

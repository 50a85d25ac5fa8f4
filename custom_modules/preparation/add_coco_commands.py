"""The sub-commands of `tools/prepare_data.py` that read and write COCO annotations."""

from pathlib import Path

from custom_modules.usage_error import UsageError


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
    from custom_modules.preparation.coco_file import CocoFile
    from custom_modules.preparation.coco_to_masks import CocoToMasks

    coco = CocoFile(args.json)
    written = CocoToMasks(coco, args.out, args.images, args.overwrite).convert()
    classes = ', '.join(f'{i} {name}' for i, name in enumerate(coco.names))
    print(f'Wrote {written} files to {args.out}; {len(coco.images)} masks are there.')
    print(f'Classes: {classes}')


def _masks_to_coco(args):
    from custom_modules.preparation.mask_pairs import MaskPairs
    from custom_modules.preparation.masks_to_coco import MasksToCoco

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

"""See the data before training: what is in it, and every defect that a training would stumble over."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import at_least_zero, require_free_folder

from custom_modules.utils.errors import reporting_errors

FOLDER_OPTIONS = ('masks', 'classes', 'label_map', 'ignore_index', 'img_prefix', 'mask_prefix')


def value_and_label(text: str) -> tuple[int, int]:
    """Read ``255:1``."""
    value, _, label = text.partition(':')
    if not (value.isdecimal() and label.isdecimal()):
        raise argparse.ArgumentTypeError(f'{text!r} is not a mask value and its class, such as 255:1')
    return int(value), int(label)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Exit code: 0 sound, perhaps with warnings; 1 a defect that would break or falsify a training; '
        '2 the command cannot be carried out.',
    )
    text = 'config of a segmentor, such as configs/unet_baseline.py; its train, val and test sets are looked at'
    parser.add_argument('config', nargs='?', help=text)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help="the config's settings to override, such as train_dataloader.dataset.data_root=data/mine",
    )
    parser.add_argument('--images', help='instead of a config: folder of the images')
    parser.add_argument('--masks', help='folder of their masks, which have the same names')
    text = 'names of the classes in the order of their indices, the background first (default: background rock, if masks hold 0/255 or 0/1)'
    parser.add_argument('--classes', nargs='+', metavar='NAME', help=text)
    parser.add_argument(
        '--label-map',
        nargs='+',
        type=value_and_label,
        metavar='VALUE:CLASS',
        help='class index of each mask value, such as 0:0 255:1 (default: 0/255 or 0/1 for two classes, else the values are the indices)',
    )
    text = 'mask value of pixels without a class (default: none)'
    parser.add_argument('--ignore-index', type=int, metavar='VALUE', help=text)
    text = "what an image's name has before what it shares with its mask's (default: nothing)"
    parser.add_argument('--img-prefix', metavar='TEXT', help=text)
    parser.add_argument('--mask-prefix', metavar='TEXT', help="what a mask's name has before it (default: nothing)")
    text = "folder to write to (default: work_dirs/eda/<name of the config, or of the images' folder>)"
    parser.add_argument('-o', '--out', type=Path, help=text)
    text = 'seed of the random pairs on the sample sheet (default: 0)'
    parser.add_argument('--seed', type=at_least_zero, default=0, help=text)
    args = parser.parse_args()
    folders = [f'--{name.replace("_", "-")}' for name in FOLDER_OPTIONS if getattr(args, name) is not None]
    if (args.config is None) == (args.images is None) or (args.config and folders):
        parser.error('name either a config or two folders with --images and --masks; the options of folders belong to the latter')
    if args.images and (args.masks is None or args.cfg_options):
        parser.error('--images needs --masks, and takes no --cfg-options')
    return args


def find_subject(args: argparse.Namespace):
    """List the data to be examined."""
    if args.config:
        from custom_modules.eda.sources import config_subject

        return config_subject(args.config, args.cfg_options)
    from custom_modules.eda.sources import folder_subject

    options = {name: getattr(args, name) for name in FOLDER_OPTIONS}
    label_map = options.pop('label_map')
    given = {name: value for name, value in options.items() if value is not None}
    return folder_subject(args.images, label_map=dict(label_map) if label_map else None, **given)


@reporting_errors
def main() -> None:
    """Look, write and print."""
    args = parse_args()
    name = Path(args.config).stem if args.config else Path(args.images).resolve().name
    out = args.out or Path('work_dirs') / 'eda' / name
    require_free_folder(out, ['eda_summary.json'])
    subject = find_subject(args)

    from custom_modules.eda.report import survey, write_report

    summary, shown = survey(subject, args.seed)
    print('\n'.join(write_report(out, subject, summary, shown)))
    print(f'{out / "eda_summary.md"}, eda_summary.json and the pictures are in {out}')
    if not summary['sound']:
        sys.exit(1)


if __name__ == '__main__':
    main()

"""Analyse what a segmentor gets wrong, or draw the learning curves of runs."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import add_config

from custom_modules.utils.errors import UsageError, reporting_errors
from custom_modules.utils.files import require_absent, require_free_folder, write_atomically


def parse_args():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    errors = commands.add_parser(
        'errors',
        help='where a checkpoint errs: tables, pictures and all numbers',
        description="Analyse a checkpoint's errors by class, object size, place, brightness, probability and threshold.",
    )
    add_config(errors, 'test_dataloader.num_workers=0')
    errors.add_argument('checkpoint', help='its checkpoint file')
    errors.add_argument(
        '--part',
        choices=['test', 'val', 'train'],
        default='test',
        help='which data to look at (default: test; the threshold is always chosen on val)',
    )
    errors.add_argument(
        '--tolerance',
        type=positive,
        metavar='PIXELS',
        help="how far a boundary may be off to count as found (default: 0.75 %% of the image's diagonal, 1 at least)",
    )
    errors.add_argument(
        '--out', help='folder to write to (default: work_dirs/<config name>/analysis)'
    )
    errors.set_defaults(run=analyse_errors)
    curves = commands.add_parser(
        'curves',
        help='learning curves of one or several runs in one picture',
        description='Draw the learning curves of runs, from the scalars that they logged.',
    )
    curves.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='folder of a run')
    curves.add_argument(
        '--out',
        default='work_dirs/learning_curves.png',
        help='picture to write, PNG (default: %(default)s)',
    )
    curves.set_defaults(run=draw_curves)
    return parser.parse_args()


def positive(text: str) -> float:
    """Read a number of pixels."""
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is no number of pixels above 0')
    return value


def analyse_errors(args) -> None:
    """Predict, count, write."""
    from custom_modules.analysis.report import FILES, checkpoint_analysis, write_analysis
    from custom_modules.engine.config import load_config
    from custom_modules.engine.config_checks import check_config

    cfg = load_config(args.config, args.cfg_options)
    check_config(cfg)
    folder = Path(args.out or Path(cfg.work_dir) / 'analysis')
    require_free_folder(folder, FILES)
    run, results = checkpoint_analysis(cfg, args.checkpoint, args.part, args.tolerance)
    path = write_analysis(dict(config=args.config, **run), results, folder)
    scores = results['scores'][1:]
    dice = [
        f'{row["class"]} Dice {row.Dice:.2f}, IoU {row.IoU:.2f}' for _, row in scores.iterrows()
    ]
    ece = f'calibration error {results["calibration"]["ece"]:.4f}'
    print('; '.join([f'{len(results["images"])} images', *dice, ece]))
    chosen = results['thresholds']
    if chosen:
        same = ' (chosen on the same data)' * chosen['same_data']
        print(
            f'best threshold on val {chosen["best"]:g}: Dice {chosen["dice"]:.2f} on {args.part}{same}, instead of '
            f'{chosen["default_dice"]:.2f} at {chosen["default"]:g}; to use it: {chosen["config"]}'
        )
    print(path)


def draw_curves(args) -> None:
    """Read the logs, draw."""
    out = Path(args.out)
    if out.suffix.lower() != '.png':
        raise UsageError(
            f'--out is a picture, PNG, got {out}: call it {out.stem or "curves"}.png, for example.'
        )
    require_absent(out)

    from custom_modules.reporting.plots import draw_learning_curves
    from custom_modules.reporting.runs import RunFolder

    picture = draw_learning_curves([RunFolder(path) for path in args.work_dirs])
    write_atomically(out, picture)
    print(out)


@reporting_errors
def main() -> None:
    """Run the chosen command."""
    args = parse_args()
    args.run(args)


if __name__ == '__main__':
    main()

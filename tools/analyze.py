"""Analyse a segmentor's errors, also on sparse labels or with flipped bits, or draw the learning curves of runs."""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import add_config, at_least_zero, checked_config, require_free_folder

from custom_modules.utils.errors import UsageError, reporting_errors
from custom_modules.utils.files import require_absent, write_atomically


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
    text = 'which data to look at (default: test; the threshold is always chosen on val)'
    errors.add_argument('--part', choices=['test', 'val', 'train'], default='test', help=text)
    text = "how far a boundary may be off to count as found (default: 0.75 %% of the image's diagonal, 1 at least)"
    errors.add_argument('--tolerance', type=positive, metavar='PIXELS', help=text)
    errors.add_argument('--out', help='folder to write to (default: work_dirs/<config name>/analysis)')
    errors.set_defaults(run=analyse_errors)
    sparse = commands.add_parser(
        'sparse',
        help='pictures where only some rocks are outlined: outlined rocks found, and what is called rock',
        description='Count what a binary checkpoint calls rock where labels are sparse: what is outlined is right, most rocks are '
        'not outlined.',
    )
    add_config(sparse, 'model.decode_head.threshold=0.4')
    text = 'images/, masks/ and classes.txt, as prepare_data.py coco-to-masks writes them'
    sparse.add_argument('folder', type=Path, help=text)
    text = 'its checkpoint file; several are those of fold 0, 1, ..., each counted on the part that it has not seen'
    sparse.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help=text)
    sparse.add_argument(
        '--rocks', nargs='+', default=['rock', 'boulder'], metavar='CLASS', help='which classes are rock (default: rock boulder)'
    )
    text = 'how the names of the pictures begin, such as chang4_; each is cut into folds by itself (default: all)'
    sparse.add_argument('--prefix', nargs='+', default=[''], metavar='PREFIX', help=text)
    text = 'count outlined rocks at the threshold that calls this share of all pixels rock (default: 0.05)'
    sparse.add_argument('--share', type=share, default=0.05, metavar='S', help=text)
    sparse.add_argument('--out', type=Path, help='JSON file to write as well')
    sparse.set_defaults(run=analyse_sparse)
    flips = commands.add_parser(
        'bit-flips',
        help='scores with random bits of the weights flipped, as radiation does on board',
        description='Score a checkpoint with random bits of its weights flipped, as it is and with activations clamped to what they '
        'are on sound weights.',
    )
    add_config(flips, 'test_dataloader.num_workers=0')
    flips.add_argument('checkpoint', help='its checkpoint file')
    flips.add_argument(
        '--rates',
        nargs='+',
        type=share,
        default=[1e-6, 1e-5, 1e-4],
        metavar='P',
        help='probability of each bit (default: 1e-6 1e-5 1e-4)',
    )
    flips.add_argument(
        '--seeds', nargs='+', type=at_least_zero, default=[0, 1, 2, 3, 4], metavar='N', help='of the flips (default: 0 1 2 3 4)'
    )
    flips.set_defaults(run=analyse_bit_flips)
    curves = commands.add_parser(
        'curves',
        help='learning curves of one or several runs in one picture',
        description='Draw the learning curves of runs, from the scalars that they logged.',
    )
    curves.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='folder of a run')
    text = 'picture to write, PNG (default: %(default)s)'
    curves.add_argument('--out', default='work_dirs/learning_curves.png', help=text)
    curves.set_defaults(run=draw_curves)
    return parser.parse_args()


def positive(text: str) -> float:
    """Read a number of pixels."""
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is no number of pixels above 0')
    return value


def share(text: str) -> float:
    """Read a share."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f'{text} is no share between 0 and 1')
    return value


def analyse_errors(args) -> None:
    """Predict, count, write."""
    from custom_modules.analysis.report import FILES, checkpoint_analysis, write_analysis

    cfg = checked_config(args)
    folder = Path(args.out or Path(cfg.work_dir) / 'analysis')
    require_free_folder(folder, FILES)
    run, results = checkpoint_analysis(cfg, args.checkpoint, args.part, args.tolerance)
    path = write_analysis(dict(config=args.config, **run), results, folder)
    scores = results['scores'][1:]
    dice = [f'{row["class"]} Dice {row.Dice:.2f}, IoU {row.IoU:.2f}' for _, row in scores.iterrows()]
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


def analyse_sparse(args) -> None:
    """Predict, count, print."""
    if args.out:
        require_absent(args.out)

    import json

    from custom_modules.analysis.sparse import sparse_scores
    from custom_modules.utils.tables import json_values, text_table

    cfg = checked_config(args)
    scores, threshold, pictures = sparse_scores(cfg, args.checkpoints, args.folder, args.rocks, args.prefix, args.share)
    table, recall = scores.table(threshold), scores.recall()
    title = f'{pictures} pictures, called rock above {threshold:g}'
    rows = [[name, int(n), None if math.isnan(called) else float(called)] for name, n, called in table.itertuples(index=False)]
    print(text_table(title, ['class', 'pixels', 'called rock %'], rows))
    found = f'{recall["rocks"]:.1f} % of the outlined rocks are found, and {recall["pixels"]:.1f} % of their pixels'
    found = 'no rock is outlined' if math.isnan(recall['rocks']) else found
    print(f'at the threshold {recall["threshold"]:g}, where {100 * args.share:g} % of all pixels are called rock: {found}')
    if args.out:
        numbers = dict(
            config=args.config, checkpoints=args.checkpoints, prefix=args.prefix, pictures=pictures,
            threshold=threshold, share=args.share, classes=table, recall=recall,
        )  # fmt: skip
        write_atomically(args.out, json.dumps(json_values(numbers), indent=1).encode())
        print(args.out)


def analyse_bit_flips(args) -> None:
    """Flip, predict, print."""
    from custom_modules.analysis.bit_flips import bit_flip_scores
    from custom_modules.utils.tables import text_table

    cfg = checked_config(args)
    table = bit_flip_scores(cfg, args.checkpoint, args.rates, args.seeds)
    rows = [[f'{rate:g}', f'{flips:.0f}', *map(float, scores)] for rate, flips, *scores in table.itertuples(index=False)]
    heads = ['rate', 'bits', 'Dice', 'lowest', 'clamped: Dice', 'clamped: lowest']
    title = f'{len(args.seeds)} draws of flipped bits at each rate, Dice of all test images together'
    print(text_table(title, heads, rows))


def draw_curves(args) -> None:
    """Read the logs, draw."""
    out = Path(args.out)
    if out.suffix.lower() != '.png':
        raise UsageError(f'--out is a picture, PNG, got {out}: call it {out.stem or "curves"}.png, for example.')
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

"""Average the weights of checkpoints that were trained on from the same weights: one model that knows what each has learnt."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.utils.errors import UsageError, reporting_errors
from custom_modules.utils.files import require_absent


@reporting_errors
def main() -> None:
    """Average."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='two or more, of one architecture')
    text = 'share of each, adding up to 1 (default: all the same)'
    parser.add_argument('--shares', nargs='+', type=float, metavar='SHARE', help=text)
    parser.add_argument('--out', required=True, help='file to write, nothing but weights')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args()
    if len(args.checkpoints) < 2:
        raise UsageError('an average needs two checkpoints or more, got one.')
    if not args.overwrite:
        require_absent(args.out, 'choose another name or pass --overwrite')

    from custom_modules.engine.weights import average_weights, read_classes, read_weights, write_weights

    states = [read_weights(path) for path in args.checkpoints]
    shares = args.shares or [1 / len(states)] * len(states)
    metas = [meta for meta in map(read_classes, args.checkpoints) if meta]
    if any(meta['classes'] != metas[0]['classes'] for meta in metas):
        raise UsageError('the checkpoints are of different classes: average those of one data set.')
    write_weights(average_weights(states, shares), args.out, metas[0] if metas else None)
    named = ', '.join(f'{s:g} of {p}' for s, p in zip(shares, args.checkpoints, strict=True))
    print(f'Wrote {args.out}: {named}.')


if __name__ == '__main__':
    main()

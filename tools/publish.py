"""Reduce a checkpoint to its weights, for publishing: no optimizer, no logs, nothing but tensors."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.utils.errors import reporting_errors
from custom_modules.utils.files import require_absent


@reporting_errors
def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'checkpoint', help='checkpoint of a run, such as work_dirs/classifier/best_*.pth'
    )
    parser.add_argument('out', help='file to write, such as checkpoints/moon_net.pth')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args()
    if not args.overwrite:
        require_absent(args.out, 'choose another name or pass --overwrite')

    from custom_modules.engine.weights import read_weights, write_weights

    state = read_weights(args.checkpoint)
    digest = write_weights(state, args.out)
    parameters = sum(t.numel() for t in state.values())
    print(f'{args.out}: {len(state)} tensors, {parameters:,} numbers, sha256 {digest}')
    print(f'Write its card to {Path(args.out).with_suffix(".md")}')


if __name__ == '__main__':
    main()

"""Measure training and prediction on a GPU machine, from the repository alone, within a given time.

Makes its own images, needs no package index, and writes one JSON file and its tables. The rows run in the order of their importance;
what there is no time for is named. A row that fails says so, and the others go on.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import require_free_folder

from custom_modules.utils.errors import reporting_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=8, help='how long it may take (default: 8)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu_check'), help='folder to write to')
    parser.add_argument('--device', choices=['cuda', 'cpu'], default='cuda', help='what to measure (default: cuda)')
    parser.add_argument('--small', action='store_true', help='tiny sizes: only whether it runs')
    parser.add_argument('--only', nargs='+', default=[], metavar='WORD', help='rows in whose name one of these is')
    parser.add_argument('--list', action='store_true', help='print the rows in their order')
    return parser.parse_args()


@reporting_errors
def main() -> None:
    """Measure, write and print."""
    args = parse_args()
    if args.device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = ''

    from custom_modules.gpu_check.check import GpuCheck

    check = GpuCheck(args.out.absolute(), args.minutes, args.device, args.small, args.only)
    if args.list:
        print('\n'.join(row.name for row in check.rows))
        return
    require_free_folder(args.out, ['gpu_check.*'])
    print(check.run())


if __name__ == '__main__':
    main()

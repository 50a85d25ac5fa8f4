"""Compare runs, and the folds of a cross-validation: a Markdown page, an HTML page without outside files, results.json."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import add_cfg_options, at_least_one, require_empty_folder

from custom_modules.utils.errors import reporting_errors
from custom_modules.utils.files import write_atomically


def parse_args():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    text = 'folders that tools/train.py wrote; the first config is what the others are compared with'
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help=text)
    parser.add_argument('-o', '--out', default='report', help='folder to write (default: report)')
    parser.add_argument('--title', default='Runs side by side', help='heading of the pages')
    text = 'of how many test images to show predictions (default: 6)'
    parser.add_argument('--images', type=at_least_one, default=6, help=text)
    text = "which checkpoint to score: the best by the run's validation, or the last epoch's (default: best)"
    parser.add_argument('--checkpoint', choices=['best', 'last'], default='best', help=text)
    parser.add_argument('--overwrite', action='store_true', help='replace the report that is in the folder')
    add_cfg_options(
        parser,
        "what to change in every segmentor's config before it is scored, such as test_dataloader.dataset.data_root=/moved/data",
    )
    return parser.parse_args()


@reporting_errors
def main() -> None:
    """Compare."""
    args = parse_args()
    out = Path(args.out)
    require_empty_folder(out, args.overwrite, '-o')

    from custom_modules.reporting.comparison import compare_runs
    from custom_modules.reporting.report import comparison_data, report_pages

    last = args.checkpoint == 'last'
    comparison = compare_runs(args.work_dirs, args.cfg_options, args.images, last)
    data = comparison_data(comparison, out)
    files = report_pages(comparison, data, args.title)
    files['results.json'] = json.dumps(data, indent=1, allow_nan=False).encode()
    for name, content in files.items():
        write_atomically(out / name, content)
    for label, lines in (('look twice', comparison.doubts), ('left out', comparison.left_out)):
        for path, reason in lines.items():
            print(f'{label}: {path}: {reason}')
    print(f'{out / "report.html"}, {out / "report.md"} and {out / "results.json"}')


if __name__ == '__main__':
    main()

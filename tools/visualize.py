"""Draw predictions of a segmentor beside the truth: the best, the median and the worst, or chosen images."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import add_config, at_least_one, checked_config, require_free_folder

from custom_modules.utils.errors import reporting_errors


def parse_args():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config(parser, 'model.decode_head.threshold=0.4')
    parser.add_argument('checkpoint', help='its checkpoint file')
    text = 'which data to draw (default: test)'
    parser.add_argument('--part', choices=['test', 'val', 'train'], default='test', help=text)
    text = (
        'how many of the best, of the median and of the worst images, by the Dice of the image over the classes but '
        'the background (default: 5)'
    )
    parser.add_argument('--count', type=at_least_one, default=5, help=text)
    text = 'draw these instead: images of the part, by name, such as render0016, or path'
    parser.add_argument('--images', nargs='+', metavar='IMAGE', help=text)
    parser.add_argument('--out', help='folder to write to (default: work_dirs/<config name>/panels)')
    return parser.parse_args()


@reporting_errors
def main() -> None:
    """Predict and draw."""
    args = parse_args()

    from custom_modules.analysis.report import write_chosen_panels, write_ranked_panels
    from custom_modules.evaluation.predictions import CheckpointPredictions

    cfg = checked_config(args)
    folder = Path(args.out or Path(cfg.work_dir) / 'panels')
    require_free_folder(folder, ['*.png'])
    predictions = CheckpointPredictions(cfg, args.checkpoint, args.part)
    if args.images:
        lines = write_chosen_panels(predictions, args.images, args.part, folder)
    else:
        lines = write_ranked_panels(predictions, args.count, folder)
    print('\n'.join([*lines, str(folder)]))


if __name__ == '__main__':
    main()

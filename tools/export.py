"""Export a checkpoint to one ONNX file: pixels in, probabilities out; with --int8 in whole numbers of 8 bits."""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.utils.errors import UsageError, reporting_errors
from custom_modules.utils.files import require_absent, write_atomically


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a segmentor or a classifier')
    parser.add_argument('checkpoint', help='its checkpoint file')
    parser.add_argument('-o', '--out', type=Path, required=True, help='file to write, .onnx')
    text = 'take pictures of any height and width, not of the training size alone (a little slower)'
    parser.add_argument('--dynamic', action='store_true', help=text)
    parser.add_argument('--int8', action='store_true', help='quantize; needs --calibration, and says what it costs')
    text = (
        "for --int8: folder of about 200 pictures like those it will see; laid out as the config's data root, its masks are "
        'used for the scores'
    )
    parser.add_argument('--calibration', metavar='FOLDER', help=text)
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args()
    if args.int8 != (args.calibration is not None):
        parser.error('--int8 and --calibration FOLDER go together')
    if args.out.suffix != '.onnx':
        parser.error('-o names a file ending in .onnx')
    return args


@reporting_errors
def main() -> None:
    """Export, compare and write."""
    args = parse_args()
    if not args.overwrite:
        require_absent(args.out, 'choose another with -o, or pass --overwrite')
    try:
        from custom_modules.deploy.export import compare, export_onnx, require_equal
    except ImportError as error:
        raise UsageError(f'exporting needs more packages ({error}): pip install -r requirements/export.txt.') from error
    from custom_modules.deploy.torch_model import TorchModel
    from custom_modules.evaluation.exported import OnnxModel

    model = TorchModel(args.config, args.checkpoint, device='cpu')
    if args.int8:
        from custom_modules.deploy.export import load_samples, quantize, score

        samples = load_samples(model, args.calibration)
    exported = export_onnx(model, args.dynamic)
    plain = OnnxModel(exported)
    deviation = compare(model, plain)
    print(
        f'{deviation.images} pictures: probabilities differ from PyTorch by {deviation.largest:.1e} at most, '
        f'{deviation.agreement:.2%} of the labels are the same'
    )
    require_equal(deviation)
    lines = []
    if args.int8:
        # every other picture, so that the halves are alike
        seen, others = samples[0::2], samples[1::2]
        exported = quantize(exported, seen)
        before, after = (score(m, others, plain) for m in (plain, OnnxModel(exported)))
        truth = 'their masks' if others[0][1] is not None else "the float model's own answers"
        name = 'Dice' if model.card.task == 'segmentation' else 'accuracy'
        print(
            f'{len(others)} pictures that were not calibrated on, scored against {truth}: '
            f'{name} {before:.2f} in float, {after:.2f} in int8'
        )
        if math.isnan(before):
            lines.append(
                'the float model finds nothing in these pictures, so that int8 is not scored: calibrate on some with rocks'
            )
        elif before - after > 1:
            lines.append(f'int8 costs {before - after:.2f} points of {name}: do not use it unseen')
    write_atomically(args.out, exported)
    lines.insert(0, f'{args.out}: {len(exported) / 2**20:.1f} MiB')
    print('\n'.join(lines))


if __name__ == '__main__':
    main()

"""Find rocks in photographs of any size: masks, overlays, and a list of the rocks.

MODEL is CONFIG CHECKPOINT, or an .onnx file of tools/export.py alone; without one the best published detector is used.
INPUT is a picture, a folder with its sub-folders, a pattern such as 'photos/*.jpg', or a list of paths ending in .txt.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.utils.errors import UsageError, first_five, reporting_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    first, then = __doc__.split('\n\n')
    parser = argparse.ArgumentParser(
        usage='%(prog)s [CONFIG CHECKPOINT | MODEL.onnx] INPUT [INPUT ...] -o OUT [options]',
        description=first,
        epilog=then,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('given', nargs='+', metavar='MODEL and INPUT', help='see below')
    parser.add_argument('-o', '--out', required=True, metavar='OUT', help='folder to write to')
    text = 'look at the picture at once (default), or in overlapping windows, which finds smaller rocks'
    parser.add_argument('--mode', choices=['whole', 'tile'], default='whole', help=text)
    text = (
        'of --mode tile: how pictures are resized first (default: the shorter side becomes one window long; '
        '1 leaves them as they are)'
    )
    parser.add_argument('--scale', type=float, help=text)
    text = 'of --mode tile: least share of a window in its neighbour (default: 0.25)'
    parser.add_argument('--overlap', type=float, default=0.25, help=text)
    parser.add_argument('--tta', action='store_true', help='average with the mirror image')
    text = "probability above which a pixel is rock (default: the model's)"
    parser.add_argument('--threshold', type=float, help=text)
    parser.add_argument('--batch-size', type=int, default=16, help='pictures or windows in one call (default: 16)')
    parser.add_argument('--device', help='cpu, cuda, ... (default: the fastest; of an .onnx: cpu)')
    parser.add_argument('--amp', action='store_true', help='compute in bfloat16 (CONFIG CHECKPOINT only)')
    parser.add_argument('--probability', action='store_true', help='write probabilities too, 16 bit')
    parser.add_argument('--no-overlay', action='store_true', help='write no pictures to look at')
    text = 'how far the outlines in rocks.json may be off, in pixels; 0 is exact, with large files (default: 1)'
    parser.add_argument('--tolerance', type=float, default=1, help=text)
    text = 'score the masks against true ones, named after the pictures'
    parser.add_argument('--truth', metavar='FOLDER', help=text)
    prefix = 'of --truth: what a {} name has before what both share (default: nothing)'
    parser.add_argument('--img-prefix', default='', help=prefix.format("picture's"))
    parser.add_argument('--mask-prefix', default='', help=prefix.format("true mask's"))
    parser.add_argument('--resume', action='store_true', help='go on with what is in OUT')
    parser.add_argument(
        '--ray',
        nargs='?',
        const='auto',
        metavar='ADDRESS',
        help='deal the pictures out over a Ray cluster: HOST:PORT; without an address that of this machine, else a new one',
    )
    parser.add_argument('--ray-cpus', type=int, default=1, metavar='N', help='CPUs of each worker (default: 1)')
    parser.add_argument(
        '--ray-gpus',
        type=float,
        metavar='N',
        help='GPUs of each worker, or a share of one (default: 1 if the cluster has any, else 0)',
    )
    args = parser.parse_args()
    if args.batch_size < 1:
        parser.error('--batch-size is a whole number of at least 1')
    if not args.tolerance >= 0:
        parser.error('--tolerance is a number of pixels, 0 or more')
    if args.ray_cpus < 1 or (args.ray_gpus or 0) < 0:
        parser.error('--ray-cpus is at least 1, and --ray-gpus at least 0')
    return args


CONFIGS = ('.py', '.json', '.yaml', '.yml')


def split(given: list[str]) -> tuple[list[str], list[str]]:
    """Split the positional arguments into the model's, of which there are up to two, and the inputs."""
    suffixes = [Path(word).suffix.lower() for word in given]
    words = 1 if suffixes[0] == '.onnx' else 2 * (suffixes[0] in CONFIGS)
    if words == 2 and len(given) > 1 and suffixes[1] not in ('.pth', '.pt'):
        raise UsageError(f'after {given[0]} comes its checkpoint, a .pth file, got {given[1]}.')
    for word, suffix in zip(given[words:], suffixes[words:], strict=True):
        if suffix in (*CONFIGS, '.pth', '.pt', '.onnx'):
            raise UsageError(f'{word} is no picture: the model comes first, CONFIG CHECKPOINT or FILE.onnx, then the pictures.')
    if len(given) <= words:
        raise UsageError('name pictures, folders or a list of them after the model.')
    return given[:words], given[words:]


def require_truth(args, sources) -> None:
    """Refuse a folder of true masks that lacks one of the pictures'."""
    from custom_modules.preparation.coco import files_by_name

    if not Path(args.truth).is_dir():
        raise UsageError(f'{args.truth} is not a folder: name that of the true masks.')
    names = (Path(source.stem) for source in sources)
    wanted = {(name.parent / name.name.removeprefix(args.img_prefix)).as_posix() for name in names}
    if missing := sorted(wanted - files_by_name(Path(args.truth), args.mask_prefix).keys()):
        raise UsageError(
            f'{len(missing)} pictures have no mask in {args.truth} ({first_five(missing)}): add what is missing, leave these '
            'pictures out, or name the prefixes with --img-prefix and --mask-prefix.'
        )


def done_before(results, sources) -> int:
    """Count the pictures whose results are there already; refuse a file that only has the name of one of these."""
    there = [source for source in sources if source.name in results.done]
    for path, name in there:
        size = results.done[name]
        if size and path.is_file() and path.stat().st_size != size:
            raise UsageError(
                f'{results.out} holds the results of another {name} than {path}: choose another folder, or rename the file.'
            )
    return len(there)


def predict_by_ray(args, cluster, model, settings, options, sources, results):
    """Predict on a cluster, with one worker for each GPU, or for each CPU if there is no GPU."""
    from custom_modules.deploy.archive import predict_archive

    gpus = float(cluster.gpus > 0) if args.ray_gpus is None else args.ray_gpus
    workers = max(1, int(cluster.gpus / gpus if gpus else cluster.cpus / args.ray_cpus))
    print(f'{cluster.title}; {workers} workers', flush=True)
    settings = dict(settings, batch_size=args.batch_size, device=args.device)
    arguments = dict(model=[str(Path(path).absolute()) for path in model], settings=settings, options=options)
    return predict_archive(sources, results, arguments, workers, args.ray_cpus, gpus)


@reporting_errors
def main() -> None:
    """Predict."""
    args = parse_args()
    model, inputs = split(args.given)

    from custom_modules.deploy.detector import RockDetector
    from custom_modules.deploy.predict import Results, calls_at_once, predict_pictures, require_no_results
    from custom_modules.utils.images import find_pictures
    from custom_modules.utils.machine import available_cores, connect

    # before a model is loaded
    require_no_results(args.out, args.resume)
    sources = find_pictures(inputs, without=Path(args.out))
    if args.truth:
        require_truth(args, sources)
    settings = {name: getattr(args, name) for name in ('mode', 'scale', 'overlap', 'tta', 'threshold', 'amp')}
    # with a cluster this machine only reads the model's card, and may lack the workers' device
    device = 'cpu' if args.ray else args.device
    cores = available_cores()
    calls = calls_at_once(sources, cores)
    # for a single call the library chooses the threads, for example by OMP_NUM_THREADS
    threading = dict(batch_size=args.batch_size, calls=calls, threads=cores // calls if calls > 1 else None)
    detector = RockDetector(*model, **settings, **threading, device=device)
    if args.amp and not args.ray:
        from custom_modules.engine.devices import mixed_precision_pays

        if not mixed_precision_pays():
            print('Slow on this machine: its processor emulates bfloat16. Leave --amp out.', file=sys.stderr)
    options = dict(overlay=not args.no_overlay, probability=args.probability, tolerance=args.tolerance)
    cluster = connect(args.ray) if args.ray else None
    all_settings = dict(settings, model=detector.card.source, **options)
    results = Results(args.out, detector, all_settings, args.resume, **options)
    there = done_before(results, sources)
    if cluster:
        outcome = predict_by_ray(args, cluster, model, settings, options, sources, results)
    else:
        outcome = predict_pictures(detector, sources, results, cores + 1)
    for path, reason in outcome.skipped:
        print(f'skipped {path}: {reason}', file=sys.stderr)
    rate = outcome.pictures / max(outcome.seconds, 1e-9)
    print(
        f'{outcome.pictures} pictures, {outcome.rocks} rocks, {there} there already, {len(outcome.skipped)} skipped; '
        f'{outcome.seconds:.1f} s, {rate:.1f} pictures/s; results in {args.out}'
    )
    if args.truth and not outcome.interrupted:
        from custom_modules.evaluation.objects import score_mask_files

        prefixes = args.img_prefix, args.mask_prefix
        masks = Path(args.out, 'masks')
        for row in score_mask_files(masks, Path(args.truth), detector.card.classes, *prefixes):
            print(
                f'{row["class"]} of {row["images"]} pictures at full size: Dice {row["Dice"]:.2f}, mean over the pictures '
                f'{row["image_Dice"]:.2f}, objects F1 {row["object_F1"]:.2f}'
            )
    if outcome.interrupted:
        print('interrupted: all files there are whole; go on with --resume.', file=sys.stderr)
        sys.exit(130)
    sys.exit(1 if outcome.skipped else 0)


if __name__ == '__main__':
    main()

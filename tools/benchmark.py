"""Measure how fast a config trains and predicts, in turn with others in the same run."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import add_cfg_options, at_least_one, at_least_zero, require_free_folder

from custom_modules.utils.errors import UsageError, reporting_errors

# of custom_modules/benchmark/configs.py, which is slow to import
LEVERS = ('cache', 'channels_last', 'compile', 'frozen_encoder')
SEGMENTOR = 'config of a segmentor, such as configs/unet_baseline.py'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    train = commands.add_parser('train', help='whole epochs with validation, and the parts of an iteration')
    train.add_argument('config', help=f'{SEGMENTOR}, or of a classifier')
    text = 'epochs of each contestant in each repeat that count, after one that warms up (default: 3)'
    train.add_argument('--epochs', type=at_least_one, default=3, help=text)
    text = (
        "instead of other contestants: the config with one of the fast path's levers the other way (off if it is on), one at "
        f'a time: {", ".join(LEVERS)}; without a NAME all but frozen_encoder, which changes what is learned'
    )
    train.add_argument('--levers', nargs='*', metavar='NAME', choices=LEVERS, help=text)
    train.add_argument('--batch', type=at_least_one, help="training batch size (default: the config's)")
    infer = commands.add_parser('infer', help='prediction: the network alone, and from files to masks, which are not written')
    infer.add_argument('config', help=SEGMENTOR)
    text = (
        'checkpoint of the config (default: random weights, as fast); with .onnx files of tools/export.py these are '
        'compared with PyTorch, plain and compiled, by one thread and by all'
    )
    infer.add_argument('weights', nargs='*', help=text)
    text = 'images of each contestant, batch size and repeat (default: 64)'
    infer.add_argument('--images', type=at_least_one, default=64, help=text)
    infer.add_argument('--batch', type=at_least_one, nargs='+', default=[1, 16], help='batch sizes (default: 1 16)')
    for command in (train, infer):
        add_shared(command)
    return parser.parse_args()


def add_shared(command: argparse.ArgumentParser) -> None:
    """Add the arguments that all measurements share."""
    add_cfg_options(command, 'settings to override, such as default_hooks.compile.enabled=True')
    command.add_argument('--out', type=Path, help='folder to write to (default: work_dirs/benchmark/<config name>)')
    text = 'how often everything is measured (default: 3; train starts all contestants anew each time)'
    command.add_argument('--repeats', type=at_least_one, default=3, help=text)
    text = 'use only so many training pairs (of a classifier: images), and a quarter as many for validation (default: all)'
    command.add_argument('--pairs', type=at_least_one, help=text)
    text = (
        "worker processes of each loader of the other contestants (default: OpenMMLab's 4, or the cores where "
        'there are fewer); the config sets its own'
    )
    command.add_argument('--workers', type=at_least_zero, help=text)


def benchmark_config(args) -> tuple:
    """Read the config as ``tools/train.py`` does, with the size (width, height) of its images; a UsageError if it cannot be measured."""
    from custom_modules.benchmark.configs import fixed_image_size, keep_samples
    from custom_modules.engine.config import load_config
    from custom_modules.engine.config_checks import check_config

    cfg = load_config(args.config, args.cfg_options)
    heads = {'decode_head', 'head'} if args.command == 'train' else {'decode_head'}
    if not heads & (cfg.get('model') or {}).keys():
        raise UsageError(
            f'{args.command} measures segmentors, train also classifiers, and {args.config} is none: give a config such as '
            'configs/unet_baseline.py.'
        )
    size = fixed_image_size(cfg, 'train' if args.command == 'train' else 'val')
    check_config(cfg)
    if args.command == 'train' and args.batch is not None:
        cfg.train_dataloader.batch_size = args.batch
    if args.pairs:
        keep_samples(cfg, 'train', args.pairs)
        keep_samples(cfg, 'val', max(1, args.pairs // 4))
    return cfg, size


@reporting_errors
def main() -> None:
    """Measure, write and print."""
    args = parse_args()
    from custom_modules.utils.machine import available_cores, machine_facts

    kind = 'levers' if getattr(args, 'levers', None) is not None else args.command
    out = args.out or Path('work_dirs') / 'benchmark' / Path(args.config).stem
    require_free_folder(out, [f'{kind}.json', f'{kind}.md'])
    for file in getattr(args, 'weights', []):
        if not Path(file).is_file():
            raise UsageError(f'there is no checkpoint {file}: mend the path or leave it out.')
    threads = int(os.environ.get('OMP_NUM_THREADS') or available_cores())
    args.workers = min(4, available_cores()) if args.workers is None else args.workers
    # inherited by the contestants' processes
    os.environ['OMP_NUM_THREADS'] = str(threads)

    from custom_modules.benchmark import measuring, prediction, tables, training

    cfg, size = benchmark_config(args)
    machine = machine_facts(threads)
    folder = out / f'unfinished_{os.getpid()}'
    settings = dict(repeats=args.repeats, pairs=args.pairs or 'all', workers=args.workers)
    if args.command == 'infer':
        settings |= dict(batches=args.batch, images=args.images)
        found = prediction.prediction_contestants(cfg, size, args.weights, args.batch, args.images, threads)
        rounds, repeats = args.repeats, 1
    else:
        settings |= dict(batch=cfg.train_dataloader.batch_size, epochs=args.epochs)
        levers = args.levers
        if levers == []:
            levers = LEVERS[:3]
        planned = (folder, args.epochs + 2, args.workers)
        found = list(training.training_contestants(cfg, size, *planned, levers or ()))
        rounds, repeats = args.epochs, args.repeats
    facts, measured = measuring.run_rounds(found, rounds, repeats, folder, threads)
    results = dict(
        command=f'python tools/benchmark.py {" ".join(sys.argv[1:])}',
        kind=kind,
        config=args.config,
        cfg_options=args.cfg_options or {},
        machine=machine,
        settings=settings,
        contestants=tables.summarize(facts, measured),
    )
    title, about = f'`{results["command"]}`', tables.facts_line(machine | settings)
    text = '\n\n'.join([title, about, *tables.contestant_tables(results['contestants'])]) + '\n'
    tables.write_results(out / kind, results, text)
    print(text)
    print(f'{kind}.md and {kind}.json are in {out}')


if __name__ == '__main__':
    main()

"""Measure how fast a config trains, loads data and predicts, in turn with others in the same run."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.engine.config_options import ConfigOptions
from custom_modules.reporting_errors import reporting_errors
from custom_modules.usage_error import UsageError


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 1')
    return int(text)


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    train = add(commands, 'train', 'whole epochs with validation, and the parts of an iteration')
    train.add_argument(
        '--epochs',
        type=positive,
        default=4,
        help='epochs of each contestant in each repeat, of which the first warms up (default: 4)',
    )
    train.add_argument(
        '--levers',
        nargs='*',
        metavar='NAME',
        help="instead of other contestants: the config with one of the fast path's levers the other way (off if it is on), one at "
        'a time; all of custom_modules/benchmark/levers.py without a NAME',
    )
    data = add(
        commands, 'data', "the training loader alone, with the config's workers and with none"
    )
    infer = add(commands, 'infer', 'prediction: the network alone, and from files to class indices')
    infer.add_argument(
        'checkpoint', nargs='?', help='checkpoint of the config (default: random weights, as fast)'
    )
    infer.add_argument(
        '--images',
        type=positive,
        default=64,
        help='images of each contestant, batch size and repeat (default: 64)',
    )
    for command in (train, data):
        command.add_argument(
            '--batch', type=positive, help="training batch size (default: the config's)"
        )
    infer.add_argument(
        '--batch',
        type=positive,
        nargs='+',
        default=[1, 16],
        help='batch sizes (default: 1 16)',
    )
    table = commands.add_parser('table', help='print the tables of a benchmark again, in Markdown')
    table.add_argument('json', type=Path, help='its JSON file')
    args = parser.parse_args()
    if args.command == 'train' and args.epochs < 2:
        parser.error('--epochs takes 2 or more: the first warms up')
    return args


def add(commands, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command with the arguments that all measurements share."""
    command = commands.add_parser(name, help=text, description=f'Measure {text}.')
    command.add_argument('config', help='config of a segmentor, such as configs/unet_baseline.py')
    command.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help="the config's settings to override, such as compile=True",
    )
    command.add_argument(
        '--out', type=Path, help='folder to write to (default: work_dirs/benchmark/<config name>)'
    )
    command.add_argument(
        '--repeats',
        type=positive,
        default=3,
        help='how often everything is measured (default: 3; train and data start all contestants anew each time)',
    )
    command.add_argument(
        '--pairs',
        type=positive,
        help='use only so many training pairs, and a quarter as many for validation (default: all)',
    )
    command.add_argument(
        '--data',
        type=positive,
        metavar='N',
        help="render N synthetic pairs of 720x480 into data/, once, and use them (default: the config's own data, "
        'such as those in MOON_DATA)',
    )
    command.add_argument(
        '--threads',
        type=positive,
        default=int(os.environ.get('OMP_NUM_THREADS') or cores()),
        help="torch's threads, for all contestants (default: OMP_NUM_THREADS, else the cores)",
    )
    command.add_argument(
        '--workers',
        type=int,
        default=min(4, cores()),
        help="worker processes of each loader of the other contestants (default: OpenMMLab's 4, or the cores where "
        'there are fewer); the config sets its own',
    )
    return command


def measure(args: argparse.Namespace, cfg, folder: Path) -> tuple[dict, dict, dict, dict]:
    """Let the contestants of a command run in turn; return settings, who is left out, results and ratios."""
    from custom_modules.benchmark import data_benchmark, infer_benchmark, levers, train_contestants
    from custom_modules.benchmark.in_turn import in_turn
    from custom_modules.benchmark.train_summary import train_summary

    left_out, options = {}, dict(rounds=1, repeats=args.repeats)
    settings = dict(batch=args.batch or cfg.train_dataloader.batch_size, repeats=args.repeats)
    if args.command == 'data':
        contestants = data_benchmark.data_contestants(cfg, args.workers)
        summary, options['warm_up'] = data_benchmark.data_summary, 0
    elif args.command == 'infer':
        settings = dict(batches=args.batch, images=args.images, repeats=args.repeats)
        contestants, left_out = infer_benchmark.infer_contestants(
            cfg, args.checkpoint, args.batch, args.images
        )
        summary, options = infer_benchmark.infer_summary, dict(rounds=args.repeats + 1, repeats=1)
    else:
        settings['epochs'] = args.epochs
        options |= dict(rounds=args.epochs, split=True)
        # a GPU has a further epoch, for the parts
        planned = (folder, args.epochs + on_gpu())
        summary = train_summary
        if args.levers is None:
            contestants, left_out = train_contestants.train_contestants(cfg, *planned, args.workers)
        else:
            names = args.levers or [name for name in levers.LEVERS if name not in levers.ON_REQUEST]
            contestants = train_contestants.lever_contestants(cfg, *planned, names)
    settings |= dict(pairs=args.pairs or 'all', workers=args.workers)
    found = in_turn(contestants, folder=folder, threads=args.threads, **options)
    return settings, left_out, *summary(*found)


def on_gpu() -> bool:
    """Say whether mmengine will choose a GPU."""
    from mmengine.device import get_device

    return get_device() == 'cuda'


@reporting_errors
def main() -> None:
    """Measure, write and print."""
    args = parse_args()
    if args.command == 'table':
        print_table(args.json)
        return
    from custom_modules.analysis.require_free_folder import require_free_folder

    kind = 'levers' if getattr(args, 'levers', None) is not None else args.command
    out = args.out or Path('work_dirs') / 'benchmark' / Path(args.config).stem
    require_free_folder(out, [f'{kind}.json', f'{kind}.md'])
    if getattr(args, 'checkpoint', None) and not Path(args.checkpoint).is_file():
        raise UsageError(
            f'there is no checkpoint {args.checkpoint}: mend the path or leave it out.'
        )
    # the contestants' processes begin with it
    os.environ['OMP_NUM_THREADS'] = str(args.threads)

    from custom_modules.benchmark.benchmark_config import benchmark_config
    from custom_modules.benchmark.machine_facts import machine_facts
    from custom_modules.benchmark.write_benchmark import write_benchmark

    if not Path(args.config).is_file():
        raise UsageError(
            f'there is no config {args.config}: choose a file of configs/, such as configs/unet_baseline.py.'
        )
    if args.data is not None:
        from custom_modules.benchmark.synthetic_data import synthetic_data

        synthetic_data(args.data)
    batch = None if args.command == 'infer' else args.batch
    cfg = benchmark_config(args.config, args.cfg_options, batch, args.pairs)
    machine = machine_facts(args.threads)
    settings, left_out, contestants, ratios = measure(args, cfg, out / f'unfinished_{os.getpid()}')
    results = dict(
        command=f'python tools/benchmark.py {" ".join(sys.argv[1:])}',
        kind=kind,
        config=args.config,
        cfg_options=args.cfg_options or {},
        machine=machine,
        settings=settings,
        left_out=left_out,
        contestants=contestants,
        ratios=ratios,
    )
    path = write_benchmark(results, out)
    print(path.read_text())
    print(f'{path} and {kind}.json are in {out}')


def print_table(path: Path) -> None:
    """Print the tables of a JSON file."""
    import json

    from custom_modules.benchmark.benchmark_markdown import benchmark_markdown

    try:
        results = json.loads(path.read_text())
        text = benchmark_markdown(results)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not a benchmark's JSON file ({error}): give one that tools/benchmark.py wrote."
        ) from error
    print(text)


if __name__ == '__main__':
    main()

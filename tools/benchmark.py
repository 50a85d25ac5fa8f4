"""Measure how fast a config trains, loads data and predicts, in turn with others in the same run."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.benchmark.benchmark_parser import benchmark_parser
from custom_modules.utils.errors import UsageError, reporting_errors


@reporting_errors
def main() -> None:
    """Measure, write and print."""
    args = benchmark_parser(__doc__).parse_args()
    if args.command == 'table':
        print_table(args.json)
    else:
        run(args)


def run(args: argparse.Namespace) -> None:
    """Measure and write."""
    from custom_modules.utils.files import require_free_folder

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
    from custom_modules.benchmark.measure import measure
    from custom_modules.benchmark.write_benchmark import write_benchmark

    cfg = benchmark_config(args)
    machine = machine_facts(args.threads)
    measured = measure(args, cfg, out / f'unfinished_{os.getpid()}')
    results = dict(
        command=f'python tools/benchmark.py {" ".join(sys.argv[1:])}',
        kind=kind,
        config=args.config,
        cfg_options=args.cfg_options or {},
        machine=machine,
        **measured,
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

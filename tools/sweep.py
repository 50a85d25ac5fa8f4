"""Train configs with several seeds, settings and folds; what is finished is skipped, what was interrupted goes on."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arguments import require_empty_folder

from custom_modules.utils.errors import UsageError, reporting_errors

TOOLS = Path(__file__).resolve().parent


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    text = 'config files; a report compares the others with the first'
    add('configs', nargs='+', metavar='CONFIG', help=text)
    add('--seeds', nargs='+', type=int, default=[0], metavar='N', help='seeds (default: 0)')
    text = 'cross-validation: cut the data into N parts, and train N times, each time without one'
    add('--folds', type=int, metavar='N', help=text)
    text = 'where to write; each run has its own ROOT/CONFIG/seed_N (default: work_dirs/sweep)'
    add('--work-dir', default='work_dirs/sweep', metavar='ROOT', help=text)
    text = 'settings to override in all runs, such as train_cfg.max_epochs=60'
    add('--cfg-options', nargs='+', action='extend', default=[], metavar='KEY=VALUE', help=text)
    text = (
        'settings that take several values in turn, each with every config and seed, such as '
        "train_dataloader.dataset.train_fraction=0.25,0.5,1.0; the value becomes part of the folder's name"
    )
    add('--vary', nargs='+', action='extend', default=[], metavar='KEY=V1,V2,...', help=text)
    text = 'how many runs side by side (default: 1); several share the cores, unless OMP_NUM_THREADS is set, and the GPUs'
    add('--jobs', type=int, default=1, metavar='N', help=text)
    text = 'hand the runs to a Ray cluster: HOST:PORT or ray://HOST:PORT; without an address that of this machine, else a new one'
    add('--ray', nargs='?', const='auto', metavar='ADDRESS', help=text)
    add('--ray-cpus', type=float, default=1, metavar='N', help='CPUs of each run (default: 1)')
    text = 'GPUs of each run, or a share of one (default: 1 if the cluster has any, else 0)'
    add('--ray-gpus', type=float, metavar='N', help=text)
    text = 'train anew where the work dir holds a run of another config; the old one is moved to ROOT/.replaced'
    add('--rerun', action='store_true', help=text)
    add('--report', metavar='DIR', help='at the end, compare the finished runs with tools/report.py')
    add('--overwrite', action='store_true', help='replace the report that is in DIR')
    add('--dry-run', action='store_true', help='only list the runs, and what would be done')
    args = parser.parse_args()
    if args.jobs < 1:
        raise UsageError(f'--jobs is the number of runs side by side, at least 1, got {args.jobs}.')
    if args.ray and args.jobs > 1:
        raise UsageError('--ray runs as many side by side as fit the cluster: leave --jobs out.')
    if args.report:
        require_empty_folder(Path(args.report), args.overwrite, '--report')
    return args


def report_command(runs, args) -> list[str]:
    """Return the command line of the report on the finished runs, in the order of the configs."""
    # the runs are in the order of the seeds
    names = list(dict.fromkeys(run.name for run in runs))
    finished = [run for run in runs if run.state == 'finished']
    finished.sort(key=lambda run: names.index(run.name))
    folders = [str(run.folder) for run in finished]
    command = [sys.executable, str(TOOLS / 'report.py'), *folders, f'--out={args.report}']
    return command + ['--overwrite'] * args.overwrite


def refuse_other_configs(runs) -> None:
    """Refuse work dirs that hold runs of other configs: they would be taken for this sweep's, or be lost."""
    inspected = [(run.folder, *run.inspect()) for run in runs]
    changed = [(folder, detail) for folder, state, detail in inspected if state == 'changed']
    if changed:
        folder, detail = changed[0]
        more = f' (and {len(changed) - 1} more work dirs)' if len(changed) > 1 else ''
        raise UsageError(
            f'{folder}{more} holds a run of another config, in which {detail}: write elsewhere with --work-dir, or add '
            '--rerun, which moves the old one aside and trains anew.'
        )


def make_executor(args, runs):
    """Choose where the runs are trained: on this machine, or on a Ray cluster, whose size is printed."""
    from custom_modules.sweep.sweep import LocalExecutor, RayExecutor
    from custom_modules.utils.machine import visible_gpus

    if not args.ray:
        return LocalExecutor(args.jobs, visible_gpus() if args.jobs > 1 else ())
    from custom_modules.utils.machine import connect

    # variables that the configs read, and the number of threads, on which sums depend
    variables = {name for run in runs for name in run.cfg.env_variables} | {'OMP_NUM_THREADS'}
    cluster = connect(args.ray, variables)
    gpus = float(cluster.gpus > 0) if args.ray_gpus is None else args.ray_gpus
    print(f'{cluster.title}; each run gets {args.ray_cpus:g} CPUs and {gpus:g} GPUs', flush=True)
    return RayExecutor(args.ray_cpus, gpus)


def run_line(run) -> str:
    """Describe a run's progress in one line."""
    from custom_modules.reporting.runs import logged_progress, monitored_score

    epoch, best = logged_progress(run.folder, run.cfg)
    parts = [run.state, f'epoch {epoch} of {run.cfg.train_cfg.max_epochs}']
    parts += [f'best {monitored_score(run.cfg)[0]} {best:.2f}'] if best is not None else []
    parts += [f'{run.minutes:.1f} min'] if run.minutes is not None else []
    title = f'{run.name} {run.folder.name.replace("_", " ")}'
    return f'{title}: {", ".join(filter(None, [*parts, run.note]))}'


def sweep_table(title: str, runs) -> str:
    """Lay out the runs of a sweep as a table, those of one config together."""
    from custom_modules.reporting.runs import logged_progress, monitored_score
    from custom_modules.utils.tables import text_table

    names = list(dict.fromkeys(run.name for run in runs))
    rows = []
    for run in sorted(runs, key=lambda run: names.index(run.name)):
        epoch, best = logged_progress(run.folder, run.cfg)
        minutes = None if run.minutes is None else f'{run.minutes:.1f}'
        epochs = f'{epoch}/{run.cfg.train_cfg.max_epochs}'
        which = run.folder.name.removeprefix('seed_').replace('_', ' ')
        score = monitored_score(run.cfg)[0] or '-'
        rows.append([run.name, which, run.state, epochs, score, best, minutes, run.note])
    heads = ['config', 'seed', 'state', 'epoch', 'score', 'best', 'minutes', 'note']
    return text_table(title, heads, rows)


def sweep(runs, executor, rerun: bool) -> bool:
    """Train the runs with a progress bar, or lines in a log file; a run that starts or ends has a line too."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from custom_modules.reporting.runs import logged_progress
    from custom_modules.sweep.sweep import run_sweep
    from custom_modules.utils.tables import LINE_EVERY

    console = Console(highlight=False, soft_wrap=True, markup=False)
    columns = '{task.description}', BarColumn(), MofNCompleteColumn(), 'epochs'
    shown = dict(console=console, disable=not console.is_terminal, transient=True)
    with Progress(*columns, TimeRemainingColumn(), **shown) as bar:
        planned = [run.cfg.train_cfg.max_epochs for run in runs]
        task = bar.add_task(f'{len(runs)} runs', total=sum(planned))

        def tell(run) -> None:
            ended = sum(run.state not in ('waits', 'runs') for run in runs)
            console.print(f'[{ended}/{len(runs)}] {run_line(run)}')

        next_line = time.monotonic() + LINE_EVERY

        def watch() -> None:
            nonlocal next_line
            if bar.disable and time.monotonic() < next_line:
                return
            next_line = time.monotonic() + LINE_EVERY
            done = 0
            for run, epochs in zip(runs, planned, strict=True):
                done += logged_progress(run.folder, run.cfg)[0] if run.state == 'runs' else 0
                done += epochs if run.state not in ('waits', 'runs') else 0
            bar.update(task, completed=done)
            if bar.disable:
                console.print(f'{done:,} of {sum(planned):,} epochs')

        return run_sweep(runs, executor, rerun, tell, watch)


@reporting_errors
def main() -> None:
    """Sweep."""
    args = parse_args()

    from mmengine.logging import MMLogger

    from custom_modules.engine.devices import emulated_precision
    from custom_modules.sweep.plan import plan_sweep

    # each config would say which environment variables it reads
    MMLogger.get_current_instance().setLevel('WARNING')
    runs = plan_sweep(args.configs, args.seeds, args.work_dir, args.cfg_options, args.vary, args.folds)
    title = f'{len(runs)} runs in {args.work_dir}'
    if args.dry_run:
        for run in runs:
            run.state, run.note = run.inspect()
        print(sweep_table(title, runs))
        return
    if not args.rerun:
        refuse_other_configs(runs)
    # each run says so in its log alone
    if slow := next(filter(None, (emulated_precision(run.cfg) for run in runs)), None):
        print(slow, flush=True)
    complete = sweep(runs, make_executor(args, runs), args.rerun)
    print(sweep_table(title, runs))
    if not complete:
        print('Interrupted; the same command goes on.', file=sys.stderr)
        sys.exit(130)
    failed = [run for run in runs if run.state == 'failed']
    if args.report and len(failed) < len(runs):
        code = subprocess.run(report_command(runs, args)).returncode
        if code:
            sys.exit(code)
    if failed:
        print(f'{len(failed)} of {len(runs)} runs failed, see their notes.', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()

"""Train configs with several seeds, one run after another or side by side; what is finished is skipped, what was interrupted goes on."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from custom_modules.sweep.sweep_parser import sweep_parser
from custom_modules.utils.errors import UsageError, reporting_errors

TOOLS = Path(__file__).resolve().parent


def train_command(run) -> list[str]:
    """Give the command line of a run."""
    return [
        sys.executable,
        str(TOOLS / 'train.py'),
        str(run.config),
        f'--work-dir={run.folder}',
        '--resume=auto',
        '--cfg-options',
        *run.options,
        f'randomness.seed={run.seed}',
    ]


def report_command(outcomes, args) -> list[str]:
    """Give the command line of the report on the finished runs, in the order of the configs."""
    # each config came first with the first seed
    names = list(dict.fromkeys(outcome.run.name for outcome in outcomes))
    finished = [outcome.run for outcome in outcomes if outcome.state == 'finished']
    finished.sort(key=lambda run: names.index(run.name))
    folders = [str(run.folder) for run in finished]
    command = [sys.executable, str(TOOLS / 'report.py'), *folders, f'--out={args.report}']
    return command + ['--overwrite'] * args.overwrite


@reporting_errors
def main() -> None:
    """Sweep."""
    args = sweep_parser(__doc__).parse_args()
    if args.jobs < 1:
        raise UsageError(f'--jobs is the number of runs side by side, at least 1, got {args.jobs}.')
    report = Path(args.report) if args.report else None
    if (
        report
        and report.exists()
        and (not report.is_dir() or (any(report.iterdir()) and not args.overwrite))
    ):
        raise UsageError(
            f'{report} exists and is not an empty folder: choose another with --report, or add --overwrite to '
            'replace the report in it.'
        )

    from mmengine.logging import MMLogger

    from custom_modules.sweep.child_environment import child_environment
    from custom_modules.sweep.factor import Factor
    from custom_modules.sweep.plan_sweep import plan_sweep
    from custom_modules.sweep.require_no_other_config import require_no_other_config
    from custom_modules.sweep.run_outcome import RunOutcome
    from custom_modules.sweep.run_record import RunRecord
    from custom_modules.sweep.sweep import Sweep
    from custom_modules.sweep.sweep_display import SweepDisplay
    from custom_modules.sweep.sweep_table import sweep_table

    # each config would say which environment variables it reads
    MMLogger.get_current_instance().setLevel('WARNING')
    factors = [Factor.of(text) for text in args.vary]
    runs = plan_sweep(args.configs, args.seeds, args.work_dir, args.cfg_options, factors)
    records = [(run, RunRecord.of(run)) for run in runs]
    if args.dry_run:
        outcomes = [RunOutcome(run, record.state, record.detail) for run, record in records]
        for outcome in outcomes:
            outcome.refresh()
        print(sweep_table(f'{len(runs)} runs in {args.work_dir}', outcomes))
        return
    if not args.rerun:
        require_no_other_config(records)
    environment = child_environment(args.jobs, os.environ)
    with SweepDisplay(len(runs)) as display:
        sweep = Sweep(
            runs,
            train_command,
            args.jobs,
            environment,
            args.rerun,
            tell=display.tell,
            watch=display.watch,
        )
        complete = sweep.run()
    print(sweep_table(f'{len(runs)} runs in {args.work_dir}', sweep.outcomes))
    if not complete:
        print('Interrupted; the same command goes on.', file=sys.stderr)
        sys.exit(130)
    failed = [outcome for outcome in sweep.outcomes if outcome.state == 'failed']
    if report and len(failed) < len(runs):
        code = subprocess.run(report_command(sweep.outcomes, args)).returncode
        if code:
            sys.exit(code)
    if failed:
        print(f'{len(failed)} of {len(runs)} runs failed, see their notes.', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()

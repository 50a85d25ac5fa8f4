"""Brings planned trainings to their end: the loop over all of them, and what is done for one."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from custom_modules.engine.work_dirs import is_locked, move_aside
from custom_modules.utils import processes

from .plan import Run

LOG, FAILED = 'sweep.log', 'sweep_failed.txt'
ELSEWHERE = 'another sweep is at it'


def run_sweep(
    runs: Sequence[Run],
    executor,
    rerun: bool = False,
    tell: Callable[[Run], None] = lambda run: None,
    watch: Callable[[], None] = lambda: None,
    pause: float = 0.5,
) -> bool:
    """Bring every run to its end: what is finished is skipped, what broke off goes on, one that fails does not end the others.

    Several sweeps on one folder share the work: a training locks its work dir, and who finds it locked does another run first.

    Args:
        runs (Sequence[Run]): The runs in their order; how far they are is written into them.
        executor (LocalExecutor or RayExecutor): Where :func:`bring_to_end` is called.
        rerun (bool): Whether runs whose config has changed are done anew; the old is moved aside. Defaults to False.
        tell (Callable): Is given a run when its state or note has changed.
        watch (Callable): Is called again and again.
        pause (float): Seconds between two looks. Defaults to 0.5.

    Returns:
        bool: Whether it came to its end; False if it was asked to stop (Ctrl-C), which ends the trainings too.
    """
    began, futures = time.time(), {}

    def collect() -> None:
        for i, run in enumerate(runs):
            before = run.state, run.note
            if i in futures and futures[i].done():
                try:
                    run.state, run.note, run.minutes = futures.pop(i).result()
                except BaseException as error:
                    # cancelled, or lost with too many nodes
                    run.state, run.note = 'failed', str(error).strip().split('\n')[-1]
                if signals and run.state == 'failed':
                    run.state = 'interrupted' if before[0] == 'runs' else 'waits'
            elif (
                run.state == 'waits'
                and run.note != ELSEWHERE
                and _is_newer(run.folder / LOG, began)
            ):
                state, detail = run.look()
                run.state, run.note = 'runs', f'goes on ({detail})' * (state == 'unfinished')
            if before != (run.state, run.note):
                tell(run)

    with processes.collected_signals() as signals:
        try:
            while not signals and any(run.state in ('waits', 'runs') for run in runs):
                for i, run in enumerate(runs):
                    if run.state == 'waits' and i not in futures:
                        futures[i] = executor.submit(run, rerun, began)
                time.sleep(pause)
                collect()
                watch()
        finally:
            # an error of its own leaves no training behind either
            executor.stop(lambda: len(signals) > 1)
            collect()
            for run in runs:
                run.state = 'interrupted' if run.state == 'runs' else run.state
    return not any(run.state in ('waits', 'interrupted') for run in runs)


def bring_to_end(
    run: Run,
    rerun: bool,
    since: float,
    environment: Mapping[str, str],
    started: Callable[[subprocess.Popen], None] = lambda process: None,
) -> tuple[str, str, float | None]:
    """Do what is to be done for a run, there where it is to be done; its training prints to ``sweep.log`` in its work dir.

    Args:
        run (Run): The run.
        rerun (bool): Whether a run of another config is moved aside.
        since (float): A failure after this time, under another sweep, is not tried again.
        environment (Mapping): The training's environment variables.
        started (Callable): Is given the training's process.

    Returns:
        tuple[str, str, float | None]: ``'finished'``, ``'failed'``, or ``'waits'`` if another sweep is at it; a note; minutes.

    Raises:
        ChildProcessError: If the training was killed; it can go on from its last checkpoint.
    """
    # held from the first look on: a training takes its own lock only seconds after its start
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.folder.parent / f'.{run.folder.name}.lock', timeout=0):
            return _bring_to_end(run, rerun, since, environment, started)
    except Timeout:
        return 'waits', ELSEWHERE, None


def _bring_to_end(run: Run, rerun: bool, since: float, environment, started) -> tuple:
    failed, log, began = run.folder / FAILED, run.folder / LOG, time.monotonic()
    if is_locked(run.folder):
        return 'waits', ELSEWHERE, None
    state, detail = run.look()
    if state == 'changed' and rerun:
        move_aside(run.folder)
    elif state == 'changed':
        return 'failed', f'other config: {detail}', None
    elif state == 'finished':
        return 'finished', 'was there', None
    if _is_newer(failed, since):
        return 'failed', failed.read_text(encoding='utf-8'), None
    failed.unlink(missing_ok=True)
    process = processes.start_logged(run.command, log, environment)
    started(process)
    try:
        code = process.wait()
    finally:
        # Ray interrupts a task by an exception
        processes.stop_processes([process])
    state, detail = run.look()
    # its own record counts: it may have ended in the very moment of the Ctrl-C
    if state == 'finished':
        note = f'exit code {code}' if code else ''
        return 'finished', note, (time.monotonic() - began) / 60
    if code and is_locked(run.folder):
        return 'waits', ELSEWHERE, None
    why = processes.last_line(log) if code else f'it ended too early: {detail}'
    note = f'exit code {code}: {why} ({log})'
    if code < 0:
        raise ChildProcessError(note)
    failed.write_text(note, encoding='utf-8')
    return 'failed', note, (time.monotonic() - began) / 60


def _is_newer(path: Path, than: float) -> bool:
    return path.is_file() and path.stat().st_mtime >= than

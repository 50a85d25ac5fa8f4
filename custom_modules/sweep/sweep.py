"""Runs the planned trainings: the loop over all, the steps of one, and executors for this machine and a Ray cluster."""

import dataclasses
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from custom_modules.engine.work_dirs import is_locked, move_aside
from custom_modules.utils import machine

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
    """Train every run: a finished one is skipped, an interrupted one resumed, and one that fails does not end the others.

    Several sweeps on one folder share the work: a training locks its work dir, and a sweep that finds it locked does another
    run first. Returns whether all runs have ended; False if it was stopped (Ctrl-C), which ends the trainings too.

    Args:
        runs (Sequence[Run]): The runs in their order; their state, note and minutes are updated.
        executor (LocalExecutor or RayExecutor): Where :func:`bring_to_end` is called.
        rerun (bool): Whether a run of another config is moved aside and trained anew. Defaults to False.
        tell (Callable): Is called with a run whose state or note has changed.
        watch (Callable): Is called every ``pause`` seconds.
        pause (float): Defaults to 0.5.
    """
    start, futures = time.time(), {}

    def collect() -> None:
        for i, run in enumerate(runs):
            before = run.state, run.note
            if i in futures and futures[i].done():
                try:
                    run.state, run.note, run.minutes = futures.pop(i).result()
                except BaseException as error:
                    # cancelled, or Ray gave up after several nodes died
                    run.state, run.note = 'failed', str(error).strip().split('\n')[-1]
                if signals and run.state == 'failed':
                    run.state = 'interrupted' if before[0] == 'runs' else 'waits'
            elif run.state == 'waits' and run.note != ELSEWHERE and _is_newer(run.folder / LOG, start):
                state, detail = run.inspect()
                run.state, run.note = 'runs', f'goes on ({detail})' if state == 'unfinished' else ''
            if before != (run.state, run.note):
                tell(run)

    with machine.collected_signals() as signals:
        try:
            while not signals and any(run.state in ('waits', 'runs') for run in runs):
                for i, run in enumerate(runs):
                    if run.state == 'waits' and i not in futures:
                        futures[i] = executor.submit(run, rerun, start)
                time.sleep(pause)
                collect()
                watch()
        finally:
            # also after an error of the sweep itself no training is left running
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
    """Train a run to its end, unless it is finished; the training prints to ``sweep.log`` in its work dir.

    With ``rerun`` a run of another config is moved aside. A run that failed in another sweep after the time ``since`` is not
    repeated. ``started`` is called with the training's process, whose environment variables are ``environment``. Returns
    ``'finished'``, ``'failed'``, or ``'waits'`` if another sweep trains it; a note; and the minutes. Raises a
    ChildProcessError if the training was killed, which can then be resumed.
    """
    # a lock for sweeps, since a training locks its work dir only seconds after its start
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.folder.parent / f'.{run.folder.name}.lock', timeout=0):
            return _bring_to_end(run, rerun, since, environment, started)
    except Timeout:
        return 'waits', ELSEWHERE, None


def _bring_to_end(run: Run, rerun: bool, since: float, environment, started) -> tuple:
    failed, log, start = run.folder / FAILED, run.folder / LOG, time.monotonic()
    if is_locked(run.folder):
        return 'waits', ELSEWHERE, None
    state, detail = run.inspect()
    if state == 'changed' and rerun:
        move_aside(run.folder)
    elif state == 'changed':
        return 'failed', f'other config: {detail}', None
    elif state == 'finished':
        return 'finished', 'was there', None
    if _is_newer(failed, since):
        return 'failed', failed.read_text(encoding='utf-8'), None
    failed.unlink(missing_ok=True)
    process = machine.start_logged(run.command, log, environment)
    started(process)
    try:
        code = process.wait()
    finally:
        # Ray cancels a task by an exception
        machine.stop_processes([process])
    state, detail = run.inspect()
    # the training's log decides, not its exit code: Ctrl-C may have come just after its last epoch
    if state == 'finished':
        return 'finished', f'exit code {code}' if code else '', (time.monotonic() - start) / 60
    if code and is_locked(run.folder):
        return 'waits', ELSEWHERE, None
    why = machine.last_line(log) if code else f'it ended too early: {detail}'
    note = f'exit code {code}: {why} ({log})'
    if code < 0:
        raise ChildProcessError(note)
    failed.write_text(note, encoding='utf-8')
    return 'failed', note, (time.monotonic() - start) / 60


def _is_newer(path: Path, than: float) -> bool:
    try:
        return path.stat().st_mtime >= than
    except FileNotFoundError:
        # perhaps another sweep's --rerun is just moving the folder aside
        return False


class LocalExecutor:
    """Runs ``jobs`` trainings at a time on this machine, and gives each of them one of the ``gpus``."""

    def __init__(self, jobs: int = 1, gpus: Sequence[str] = ()) -> None:
        self._environments = [machine.share_of_machine(i, jobs, gpus, os.environ) for i in range(jobs)]
        self._pool = ThreadPoolExecutor(jobs)
        self._processes, self._stopped = [], False

    def submit(self, run: Run, rerun: bool, since: float) -> Future:
        """Queue a run; its future has the result of :func:`bring_to_end`."""
        return self._pool.submit(self._run, run, rerun, since)

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Cancel what is queued and interrupt the trainings, which are killed after a while, or once ``hurry()`` is true."""
        self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        machine.stop_processes(self._processes, hurry=hurry)
        self._pool.shutdown()

    def _run(self, run: Run, rerun: bool, since: float) -> tuple:
        environment = self._environments.pop()
        try:
            return bring_to_end(run, rerun, since, environment, self._started)
        finally:
            self._environments.append(environment)

    def _started(self, process) -> None:
        self._processes.append(process)
        if self._stopped:
            machine.stop_processes([process])


class RayExecutor:
    """Runs trainings as tasks of a Ray cluster, whose nodes have repository, data and work dirs at the same paths.

    Each run gets ``cpus`` and ``gpus``, which may be a share of one. If its node dies it is resumed on another, up to five times.
    """

    def __init__(self, cpus: float = 1, gpus: float = 0) -> None:
        import ray

        self._ray, self._tasks = ray, []
        retries = dict(max_retries=5, retry_exceptions=[ChildProcessError])
        self._task = ray.remote(_bring_to_end_in).options(num_cpus=cpus, num_gpus=gpus, **retries)

    def submit(self, run: Run, rerun: bool, since: float) -> Future:
        """Hand a run to the cluster; its future has the result of :func:`bring_to_end`."""
        run = dataclasses.replace(run, config=run.config.absolute(), folder=run.folder.absolute())
        self._tasks.append(self._task.remote(os.getcwd(), run, rerun, since))
        return self._tasks[-1].future()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """Cancel what runs and what is queued."""
        for task in self._tasks:
            self._ray.cancel(task)
        self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=60)


def _bring_to_end_in(folder: str, run: Run, rerun: bool, since: float) -> tuple:
    os.chdir(folder)
    state, note, minutes = bring_to_end(run, rerun, since, os.environ)
    return state, f'{note} (on {socket.gethostname()})'.strip(), minutes

"""Brings planned trainings to their end: the loop over all, what is done for one, and where: on this machine or a Ray cluster."""

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
from custom_modules.utils.machine import share_of_machine

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

    Several sweeps on one folder share the work: a training locks its work dir, and who finds it locked does another run
    first. Returns whether it came to its end: False if it was asked to stop (Ctrl-C), which ends the
    trainings too.

    Args:
        runs (Sequence[Run]): The runs in their order; how far they are is written into them.
        executor (LocalExecutor or RayExecutor): Where :func:`bring_to_end` is called.
        rerun (bool): Whether runs whose config has changed are done anew; the old is moved aside. Defaults to False.
        tell (Callable): Is given a run when its state or note has changed.
        watch (Callable): Is called again and again, every ``pause`` seconds.
        pause (float): Defaults to 0.5.
    """
    began, futures = time.time(), {}

    def collect() -> None:
        for i, run in enumerate(runs):
            before = run.state, run.note
            waits = run.state == 'waits' and run.note != ELSEWHERE
            if i in futures and futures[i].done():
                try:
                    run.state, run.note, run.minutes = futures.pop(i).result()
                except BaseException as error:
                    # cancelled, or lost with too many nodes
                    run.state, run.note = 'failed', str(error).strip().split('\n')[-1]
                if signals and run.state == 'failed':
                    run.state = 'interrupted' if before[0] == 'runs' else 'waits'
            elif waits and _is_newer(run.folder / LOG, began):
                state, detail = run.look()
                run.state, run.note = 'runs', f'goes on ({detail})' * (state == 'unfinished')
            if before != (run.state, run.note):
                tell(run)

    with machine.collected_signals() as signals:
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

    With ``rerun`` a run of another config is moved aside. What failed after the time ``since``, under another sweep, is
    not tried again. ``started`` is given the training's process, which has the variables ``environment``. Returns
    ``'finished'``, ``'failed'``, or ``'waits'`` if another sweep is at it, a note, and minutes. Raises a
    ChildProcessError if the training was killed; it can go on from its last checkpoint.
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
    process = machine.start_logged(run.command, log, environment)
    started(process)
    try:
        code = process.wait()
    finally:
        # Ray interrupts a task by an exception
        machine.stop_processes([process])
    state, detail = run.look()
    # its own record counts: it may have ended in the very moment of the Ctrl-C
    if state == 'finished':
        note = f'exit code {code}' if code else ''
        return 'finished', note, (time.monotonic() - began) / 60
    if code and is_locked(run.folder):
        return 'waits', ELSEWHERE, None
    why = machine.last_line(log) if code else f'it ended too early: {detail}'
    note = f'exit code {code}: {why} ({log})'
    if code < 0:
        raise ChildProcessError(note)
    failed.write_text(note, encoding='utf-8')
    return 'failed', note, (time.monotonic() - began) / 60


def _is_newer(path: Path, than: float) -> bool:
    try:
        return path.stat().st_mtime >= than
    except FileNotFoundError:
        # also where --rerun moves the folder aside at this moment
        return False


class LocalExecutor:
    """So many processes of this machine side by side, to which its GPUs, as ``CUDA_VISIBLE_DEVICES`` names them, are dealt out."""

    def __init__(self, jobs: int = 1, gpus: Sequence[str] = ()) -> None:
        self._environments = [share_of_machine(i, jobs, gpus, os.environ) for i in range(jobs)]
        self._pool = ThreadPoolExecutor(jobs)
        self._processes, self._stopped = [], False

    def submit(self, run: Run, rerun: bool, since: float) -> Future:
        """Queue a run; its future gives what :func:`bring_to_end` returns."""
        return self._pool.submit(self._run, run, rerun, since)

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End what runs and what is queued: kindly, and after a while, or when there is ``hurry``, at once."""
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
    """Tasks of a Ray cluster, whose nodes share repository, data and work dirs at the same paths.

    Each run gets so many CPUs and GPUs, which may be a share of one. A run whose node dies goes on at another, from its last
    checkpoint, up to five times.
    """

    def __init__(self, cpus: float = 1, gpus: float = 0) -> None:
        import ray

        self._ray, self._tasks = ray, []
        again = dict(max_retries=5, retry_exceptions=[ChildProcessError])
        task = ray.remote(_bring_to_end_here)
        self._task = task.options(num_cpus=cpus, num_gpus=gpus, **again)

    def submit(self, run: Run, rerun: bool, since: float) -> Future:
        """Hand a run to the cluster; its future gives what :func:`bring_to_end` returns."""
        there = dataclasses.replace(run, config=run.config.absolute(), folder=run.folder.absolute())
        self._tasks.append(self._task.remote(there, rerun, since, os.getcwd()))
        return self._tasks[-1].future()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End what runs and what is queued."""
        for task in self._tasks:
            self._ray.cancel(task)
        self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=60)


def _bring_to_end_here(run: Run, rerun: bool, since: float, folder: str) -> tuple:
    os.chdir(folder)
    state, note, minutes = bring_to_end(run, rerun, since, os.environ)
    return state, f'{note} (on {socket.gethostname()})'.strip(), minutes

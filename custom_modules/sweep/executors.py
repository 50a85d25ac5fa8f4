"""Where the trainings of a sweep run: in processes of this machine, or as tasks of a Ray cluster."""

import dataclasses
import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from custom_modules.utils.machine import share_of_machine
from custom_modules.utils.processes import stop_processes

from .plan import Run
from .sweep import bring_to_end


class LocalExecutor:
    """Processes of this machine.

    Args:
        jobs (int): How many side by side. Defaults to 1.
        gpus (Sequence[str]): The GPUs that the jobs are dealt out to, as ``CUDA_VISIBLE_DEVICES`` names them.
        grace (float): Seconds that an interrupted training has to end by itself. Defaults to 60.
    """

    def __init__(self, jobs: int = 1, gpus: Sequence[str] = (), grace: float = 60) -> None:
        self._environments = [share_of_machine(i, jobs, gpus, os.environ) for i in range(jobs)]
        self._pool, self._grace = ThreadPoolExecutor(jobs), grace
        self._processes, self._stopped = [], False

    def submit(self, run: Run, rerun: bool, since: float) -> Future:
        """Queue a run; its future gives what :func:`bring_to_end` returns."""
        return self._pool.submit(self._run, run, rerun, since)

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End what runs and what is queued: kindly, and after a while, or when there is ``hurry``, at once."""
        self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        stop_processes(self._processes, self._grace, hurry)
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
            stop_processes([process], self._grace)


class RayExecutor:
    """Tasks of a Ray cluster, whose nodes share repository, data and work dirs at the same paths.

    A run whose node dies goes on at another, from its last checkpoint.

    Args:
        cpus (float): CPUs of each run. Defaults to 1.
        gpus (float): GPUs of each run, which may be a share of one. Defaults to 0.
        retries (int): How often a run may lose its node. Defaults to 5.
    """

    def __init__(self, cpus: float = 1, gpus: float = 0, retries: int = 5) -> None:
        import ray

        self._ray, self._tasks = ray, []
        self._task = ray.remote(_bring_to_end_here).options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_retries=retries,
            retry_exceptions=[ChildProcessError],
        )

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

"""Resources of a command: this machine's cores, memory, GPUs and processes, or a Ray cluster."""

import contextlib
import functools
import math
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import REPOSITORY

MEMINFO, CGROUP = Path('/proc/meminfo'), Path('/sys/fs/cgroup')
PACKAGES = 'numpy onedl-mmcv onedl-mmengine onedl-mmpretrain onedl-mmsegmentation opencv-python'


def available_cores() -> int:
    """Count the cores that this process may use: a container or a cluster's job often has fewer than the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    limit = _cgroup_numbers('cpu.max') or _cgroup_numbers('cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us')
    return min(cores, math.ceil(limit[0] / limit[1])) if limit else cores


def available_memory() -> int | None:
    """Return the free memory of this machine, or of this container, in bytes; None on systems without ``/proc``."""
    if (available := _proc_value(MEMINFO, 'MemAvailable')) is None:
        return None
    free = int(available.split()[0]) * 1024
    v2 = _cgroup_numbers('memory.max', 'memory.current')
    limit = v2 or _cgroup_numbers('memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes')
    # what was read from files counts as used, but makes room when needed
    stat, key = ('memory.stat', 'inactive_file') if v2 else ('memory/memory.stat', 'total_inactive_file')
    cached = int(_proc_value(CGROUP / stat, key) or 0)
    return min(free, limit[0] - limit[1] + cached) if limit else free


def _proc_value(path: str | Path, key: str) -> str | None:
    """Return the first value with this key from a file of lines ``key: value`` or ``key value``; None if there is none."""
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    return next((line.removeprefix(key).strip(' \t:') for line in lines if line.startswith(key)), None)


def _cgroup_numbers(*paths: str) -> list[int]:
    """Return two numbers from one or two files of a control group, version 2 or 1; none if a file is missing or sets no limit."""
    try:
        numbers = [int(word) for path in paths for word in (CGROUP / path).read_text().split()]
    except (OSError, ValueError):
        return []
    return numbers if min(numbers) > 0 else []


def visible_gpus() -> list[str]:
    """List the GPUs that this process may use, in the form of ``CUDA_VISIBLE_DEVICES``."""
    import torch

    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    return named.split(',') if named else [str(i) for i in range(torch.cuda.device_count())]


def share_of_machine(job: int, jobs: int, gpus: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of one of several parallel jobs, numbered from 0, extended by its share of the cores and one GPU.

    ``OMP_NUM_THREADS`` is set unless it is already, ``CUDA_VISIBLE_DEVICES`` if there are GPUs; a single job gets everything.

    Example:
        >>> share_of_machine(9, 1000, ['0', '1'], {})
        {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '1'}
    """
    if jobs == 1:
        return dict(environment)
    share = {'OMP_NUM_THREADS': str(max(1, available_cores() // jobs)), **environment}
    return share | ({'CUDA_VISIBLE_DEVICES': gpus[job % len(gpus)]} if gpus else {})


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine_facts(threads: int) -> dict[str, str]:
    """Describe the machine and the software that numbers were measured with; ``threads`` are torch's."""
    import torch

    gpu = 'none'
    if torch.cuda.is_available():
        # with TF32 a GPU's float32 convolutions round their inputs to 10 bits
        gpu = f'{torch.cuda.get_device_name()}, TF32 {torch.backends.cudnn.allow_tf32}'
    return dict(
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        cpu=_proc_value('/proc/cpuinfo', 'model name') or 'unknown',
        cores=f'{available_cores()}, {threads} threads',
        # of other programs: above 0.5, times are too long and ratios inexact
        load_before=f'{os.getloadavg()[0]:.1f}',
        gpu=gpu,
        torch=f'{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}',
        packages=', '.join(f'{name} {found}' for name in PACKAGES.split() if (found := installed_version(name))),
    )


def peak_memory() -> dict[str, float | None]:
    """Return the peak memory of this process (``main``), and of torch on the ``gpu``, None if unused; in MiB."""
    import resource

    import torch

    # where there is one, since ru_maxrss includes what the process inherited from its parent
    if peak := _proc_value('/proc/self/status', 'VmHWM'):
        main = int(peak.split()[0]) / 2**10
    else:
        # macOS gives bytes, others KiB
        unit = 2**20 if sys.platform == 'darwin' else 2**10
        main = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_initialized() else None
    return dict(main=main, gpu=gpu)


class Cluster(NamedTuple):
    """A connected Ray cluster: a description with its size and dashboard, its CPUs and its GPUs."""

    title: str
    cpus: float
    gpus: float


def connect(address: str, variables: Iterable[str] = ()) -> Cluster:
    """Connect this process to a Ray cluster, whose nodes have the repository, the data and the work dirs at the same paths.

    Args:
        address (str): ``HOST:PORT``, ``ray://HOST:PORT``, or ``'auto'``: the cluster of ``RAY_ADDRESS`` or of this machine, else a
            new one of this machine alone, which ends with this process. A UsageError if there is no such cluster.
        variables (Iterable[str]): Names of environment variables that the tasks get from this process.
    """
    try:
        import ray
    except ImportError:
        raise UsageError('--ray needs Ray, which is not installed: pip install -r requirements/cluster.txt') from None
    if address != 'auto':
        # Ray itself would retry for minutes, with many messages
        host, _, port = address.removeprefix('ray://').rpartition(':')
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, ValueError) as error:
            raise UsageError(
                f'there is no Ray cluster at {address} ({error}): give the HOST:PORT that `ray start --head` prints, or --ray '
                'alone for the cluster of this machine.'
            ) from error
    environment = {name: os.environ[name] for name in variables if name in os.environ}
    runtime = dict(env_vars={**environment, 'PYTHONPATH': str(REPOSITORY)})
    address = None if address == 'auto' else address
    context = ray.init(address, runtime_env=runtime, log_to_driver=False, logging_level='ERROR')
    total, nodes = ray.cluster_resources(), sum(node['Alive'] for node in ray.nodes())
    cpus, gpus = total.get('CPU', 0.0), total.get('GPU', 0.0)
    dashboard = f'http://{context.dashboard_url}' if context.dashboard_url else 'not running'
    return Cluster(f'Ray: {nodes} nodes, {cpus:g} CPUs, {gpus:g} GPUs; dashboard: {dashboard}', cpus, gpus)


def start_logged(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a process that appends its command and output to a file, whose folder is made.

    It has its own session, so that a Ctrl-C in the terminal does not reach it a second time beside :func:`stop_processes`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8') as file:
        file.write(f'\n{time.strftime("%Y-%m-%d %H:%M:%S")} {" ".join(command)}\n')
        file.flush()
        streams = dict(stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        return subprocess.Popen(command, env=environment, start_new_session=True, **streams)


class LoggedProcess:
    """A process that imports modules, sets the number of torch's threads, and then calls functions, one after another.

    Its output goes to the file ``log``. It is spawned, since a forked process would inherit the state of torch's threads.
    """

    pool = functools.partial(futures.ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context('spawn'))

    def __init__(self, log: Path, modules: Sequence[str], threads: int) -> None:
        self._pool = self.pool()
        self._set_up = self._pool.submit(_set_up_process, log, tuple(modules), threads, os.getpid())

    def call(self, function: Callable, *args, seconds: float | None = None):
        """Call a function in the process and return its result or raise its exception; after ``seconds`` kill it: a TimeoutError."""
        answer = self._pool.submit(function, *args)
        if futures.wait([answer], seconds).not_done:
            if self._set_up.done() and (process := self._set_up.result()) != os.getpid():
                os.kill(process, signal.SIGKILL)
            raise TimeoutError(f'not done within {seconds:.0f} s')
        self._set_up.result()
        return answer.result()

    def close(self, wait: bool = True) -> None:
        """End the process."""
        self._pool.shutdown(wait, cancel_futures=True)


def _set_up_process(log: Path, modules: Sequence[str], threads: int, parent: int) -> int:
    import torch

    if os.getpid() != parent:
        # file descriptors, so that output of child processes goes there too
        with log.open('a') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    for module in modules:
        import_module(module)
    return os.getpid()


def last_line(log: Path) -> str:
    """Return the last non-blank line of a file, stripped; empty if there is none."""
    lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
    return next((line.strip() for line in reversed(lines) if line.strip()), '')


def stop_processes(processes: Sequence[subprocess.Popen], hurry: Callable[[], bool] = lambda: False) -> None:
    """Interrupt processes that have sessions of their own, as a Ctrl-C does.

    Those that still run after a minute, or as soon as ``hurry`` returns true, are killed together with their child processes.
    """
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 60
    while running := [process for process in processes if process.poll() is None]:
        if time.monotonic() > deadline or hurry():
            for process in running:
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.05)


@contextlib.contextmanager
def collected_signals() -> Iterator[list[int]]:
    """Collect the signals to end (Ctrl-C, ``kill``, a closed terminal) in a list, instead of being interrupted anywhere.

    Outside the main thread, which alone receives signals, the list stays empty.
    """
    received, handlers = [], {}
    in_main_thread = threading.current_thread() is threading.main_thread()
    for name in ('SIGINT', 'SIGTERM', 'SIGHUP'):
        number = getattr(signal, name, None)
        # nohup ignores SIGHUP, so that the process goes on when the terminal is closed
        if in_main_thread and number and signal.getsignal(number) is not signal.SIG_IGN:
            handlers[number] = signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

"""What a command may use: this machine's cores, memory, GPUs and processes, or a Ray cluster."""

import contextlib
import functools
import multiprocessing
import os
import signal
import socket
import subprocess
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

MEMINFO = Path('/proc/meminfo')
CGROUP = Path('/sys/fs/cgroup')
PACKAGES = 'onedl-mmengine onedl-mmcv onedl-mmpretrain onedl-mmsegmentation opencv-python numpy'


def available_cores() -> int:
    """Count the cores that this process may use, which in a container are fewer than the machine's."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int | None:
    """Count the bytes that programs can still take; None where only the system's own tools know."""
    if not MEMINFO.exists():
        return None
    lines = MEMINFO.read_text().splitlines()
    free = next((int(x.split()[1]) * 1024 for x in lines if x.startswith('MemAvailable')), None)
    limit, used = _number('memory.max'), _number('memory.current')
    # a container has less than its machine
    return min(free, limit - used) if free and limit and used else free


def _number(path: str) -> int | None:
    try:
        return int((CGROUP / path).read_text())
    except (OSError, ValueError):
        return None


def visible_gpus() -> list[str]:
    """Name the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` does; none on a machine without."""
    import torch

    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    return named.split(',') if named else [str(i) for i in range(torch.cuda.device_count())]


def share_of_machine(job: int, jobs: int, gpus: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Share the processor's cores and the GPUs among jobs that run side by side: add to the environment of one, numbered from 0.

    ``OMP_NUM_THREADS`` is set unless it is already, ``CUDA_VISIBLE_DEVICES`` where there are GPUs; one job alone gets everything.

    Example:
        >>> share_of_machine(9, 1000, ['0', '1'], {})
        {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '1'}
    """
    if jobs == 1:
        return dict(environment)
    share = {'OMP_NUM_THREADS': str(max(1, available_cores() // jobs)), **environment}
    return share | ({'CUDA_VISIBLE_DEVICES': gpus[job % len(gpus)]} if gpus else {})


def installed_version(name: str) -> str | None:
    """Give the version of an installed distribution; None if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine_facts(threads: int) -> dict[str, str]:
    """Describe the machine and the software that numbers were measured with; ``threads`` are torch's."""
    import torch

    info, gpu = Path('/proc/cpuinfo'), 'none'
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    if torch.cuda.is_available():
        # with TF32 a GPU's float32 convolutions round their inputs to 10 bits
        gpu = f'{torch.cuda.get_device_name()}, TF32 {torch.backends.cudnn.allow_tf32}'
    found = {name: installed_version(name) for name in sorted(PACKAGES.split())}
    return dict(
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        cpu=(models or ['unknown'])[0],
        cores=f'{available_cores()}, {threads} threads',
        # what other programs did: above 0.5 times are too long and ratios rough
        load_before=f'{os.getloadavg()[0]:.1f}',
        gpu=gpu,
        torch=f'{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}',
        packages=', '.join(f'{name} {number}' for name, number in found.items() if number),
    )


def peak_memory() -> dict[str, float | None]:
    """Return the most memory that this process had (``main``), and torch on the ``gpu``, if there is one; in MiB."""
    import resource

    import torch

    # what a process inherits is not its own
    status = Path('/proc/self/status')
    lines = status.read_text().splitlines() if status.exists() else []
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kib = next((int(line.split()[1]) for line in lines if line.startswith('VmHWM')), usage)
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_initialized() else None
    return dict(main=kib / 1024, gpu=gpu)


class Cluster(NamedTuple):
    """A Ray cluster that this process is connected to: its size and dashboard in words, its CPUs, its GPUs."""

    title: str
    cpus: float
    gpus: float


def connect(address: str, variables: Iterable[str] = ()) -> Cluster:
    """Connect this process to a Ray cluster, whose nodes have the repository, the data and the work dirs at the same paths.

    Args:
        address (str): ``HOST:PORT``, ``ray://HOST:PORT``, or ``'auto'``: that of ``RAY_ADDRESS`` or of this machine, and where there
            is none a cluster of this machine alone, that ends with this process. A UsageError if there is no such cluster.
        variables (Iterable[str]): Names of environment variables that the tasks get from this process.
    """
    try:
        import ray
    except ImportError:
        raise UsageError('--ray needs Ray, which is not installed: pip install -r requirements/cluster.txt') from None
    if address != 'auto':
        _require_answer(address)
    environment = {name: os.environ[name] for name in variables if name in os.environ}
    there = dict(env_vars={**environment, 'PYTHONPATH': str(REPOSITORY)})
    named = None if address == 'auto' else address
    context = ray.init(named, runtime_env=there, log_to_driver=False, logging_level='ERROR')
    total, nodes = ray.cluster_resources(), sum(node['Alive'] for node in ray.nodes())
    cpus, gpus = total.get('CPU', 0.0), total.get('GPU', 0.0)
    dashboard = f'http://{context.dashboard_url}' if context.dashboard_url else 'not running'
    return Cluster(f'Ray: {nodes} nodes, {cpus:g} CPUs, {gpus:g} GPUs; dashboard: {dashboard}', cpus, gpus)


def _require_answer(address: str) -> None:
    """Knock at once: Ray itself would try for minutes, and fill the screen."""
    host, _, port = address.removeprefix('ray://').rpartition(':')
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f'there is no Ray cluster at {address} ({error}): give the HOST:PORT that `ray start --head` prints, or --ray '
            'alone for the cluster of this machine.'
        ) from error


def start_logged(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a process that appends its command and what it prints to a file, whose folder is made.

    It has a session of its own: a Ctrl-C reaches it through its starter alone, once.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8') as file:
        file.write(f'\n{time.strftime("%Y-%m-%d %H:%M:%S")} {" ".join(command)}\n')
        file.flush()
        streams = dict(stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        return subprocess.Popen(command, env=environment, start_new_session=True, **streams)


class LoggedProcess:
    """A process that imports modules, sets torch's threads, and then calls functions, one after another.

    What it prints goes to the file ``log``. It is started anew (``spawn``): a fork would inherit torch's threads.
    """

    pool = functools.partial(futures.ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context('spawn'))

    def __init__(self, log: Path, modules: Sequence[str], threads: int) -> None:
        self._pool = self.pool()
        self._begun = self._pool.submit(_begin, log, tuple(modules), threads, os.getpid())

    def call(self, function: Callable, *args, seconds: float | None = None):
        """Call a function there; what it raises is raised here, and a TimeoutError, with the process ended, after so many seconds."""
        answer = self._pool.submit(function, *args)
        if futures.wait([answer], seconds).not_done:
            if self._begun.done() and (process := self._begun.result()) != os.getpid():
                os.kill(process, signal.SIGKILL)
            raise TimeoutError(f'not done within {seconds:.0f} s')
        self._begun.result()
        return answer.result()

    def close(self, wait: bool = True) -> None:
        """End the process."""
        self._pool.shutdown(wait, cancel_futures=True)


def _begin(log: Path, modules: Sequence[str], threads: int, parent: int) -> int:
    import torch

    if os.getpid() != parent:
        # its workers print there too
        with log.open('a') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    for module in modules:
        import_module(module)
    return os.getpid()


def last_line(log: Path) -> str:
    """Read the last line of a file that is not blank; empty where there is none."""
    lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
    return next((line.strip() for line in reversed(lines) if line.strip()), '')


def stop_processes(processes: Sequence[subprocess.Popen], hurry: Callable[[], bool] = lambda: False) -> None:
    """End processes, each with a session of its own, as a Ctrl-C does.

    Those that do not listen for a minute, or until ``hurry`` says to wait no longer, end at once with what they started.
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
    """Collect the signals that ask to end (Ctrl-C, ``kill``, a closed terminal) in a list, instead of ending at any place.

    Outside the main thread, which alone gets signals, none are collected.
    """
    got, before = [], {}
    for name in ('SIGINT', 'SIGTERM', 'SIGHUP') if threading.current_thread() is threading.main_thread() else ():
        number = getattr(signal, name, None)
        # nohup: it is to go on when the terminal is closed
        if number and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda number, frame: got.append(number))
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Processes and timing: contestants run in processes of their own, round by round, and are timed there."""

import contextlib
import functools
import gc
import multiprocessing
import os
import resource
import shutil
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as LateError
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

PARTS = ('data', 'prepare', 'forward', 'backward', 'step', 'other')
# of a contestant's process; tests have threads in place of processes
_here = threading.local()


class Contestant(ABC):
    """Somebody who takes part, and travels to a process of its own: its attributes are plain values."""

    name: str
    # what it is, in one line
    title: str
    # such as 'bfloat16'
    precision: str
    # modules to import at first
    libraries: Sequence[str]
    # torch's; None for as many as all have
    threads: int | None = None

    @abstractmethod
    def build(self) -> dict:
        """Build everything, and return the facts, such as those of :func:`model_facts`."""

    @abstractmethod
    def measure(self, split: bool) -> dict:
        """Do one round, and return ``seconds`` and ``images`` by what was done, ``memory_mib``, and more.

        With ``split`` it is for the parts of an iteration, and its time does not count.
        """


class ContestantProcess:
    """A process that imports some libraries, and then takes contestants, one after another.

    It is started anew (``spawn``): a fork would inherit torch's threads. What it prints goes to ``log``.
    """

    pool = functools.partial(
        ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context('spawn')
    )

    def __init__(self, libraries: Sequence[str], log: Path, threads: int) -> None:
        self._pool = self.pool()
        # imports may overlap with another's round, nothing else may
        self._begun = self._pool.submit(_begin, tuple(libraries), log, threads, os.getpid())

    def ask(self, command: Contestant | str, seconds: float | None = None) -> dict:
        """Have a contestant do something; what it raises is raised here.

        Args:
            command (Contestant | str): A contestant, which is built and gives its facts; then ``'time'`` or ``'split'``.
            seconds (float, optional): After so many the process is ended, and it is a TimeoutError.
        """
        end = time.monotonic() + (seconds or 0)
        try:
            self._begun.result(seconds)
            left = None if seconds is None else max(0, end - time.monotonic())
            return self._pool.submit(_do, command).result(left)
        except LateError as error:
            if self._begun.done() and (process := self._begun.result()) != os.getpid():
                os.kill(process, signal.SIGKILL)
            raise TimeoutError(f'not done within {seconds:.0f} s') from error

    def close(self, wait: bool = True) -> None:
        """End the process."""
        self._pool.shutdown(wait, cancel_futures=True)


def _begin(libraries: Sequence[str], log: Path, threads: int, parent: int) -> int:
    if os.getpid() != parent:
        # workers print there too: contestants that share a terminal would not be read
        with log.open('a') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    for library in libraries:
        import_module(library)
    return os.getpid()


def _do(command: Contestant | str) -> dict:
    if isinstance(command, str):
        return _here.contestant.measure(command == 'split')
    # the one before it leaves room
    _here.contestant = None
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    _here.contestant = command
    return command.build()


def run_rounds(
    contestants: Sequence[Contestant], rounds: int, repeats: int, folder: Path, threads: int
) -> tuple[dict[str, dict], dict[str, list[dict]]]:
    """Measure contestants one after the other, round by round, so that a busy machine hits all alike.

    Before the ``rounds`` that count one warms up, after them one on a GPU is for the parts of an iteration only. In each of the
    ``repeats`` everybody is started anew, with so many threads of torch; files go to the folder, which is removed at its end.

    Returns:
        tuple[dict, dict]: The facts of each contestant, and its rounds: ``warm_up``, ``split``, and what it reported.
    """
    facts, results = {}, {one.name: [] for one in contestants}
    for repeat in range(repeats):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            processes = {}
            for one in contestants:
                log = folder / f'{one.name.replace(" ", "_")}.log'
                process = ContestantProcess(one.libraries, log, one.threads or threads)
                processes[one.name] = process
                stack.callback(process.close)
            for one in contestants:
                facts[one.name] = dict(title=one.title, precision=one.precision)
                facts[one.name] |= processes[one.name].ask(one)
            cuda = any('cuda' in found.get('device', '') for found in facts.values())
            for number in range(1 + rounds + cuda):
                marks = dict(warm_up=number == 0, split=number > rounds)
                for name, process in processes.items():
                    found = process.ask('split' if marks['split'] else 'time')
                    results[name].append(marks | found)
                    seconds = ', '.join(f'{k} {v:.3g} s' for k, v in found['seconds'].items())
                    note = ' (warm-up)' * marks['warm_up'] + ' (parts only)' * marks['split']
                    print(f'{repeat + 1}/{repeats}, {number}/{rounds} {name}: {seconds}{note}')
    return facts, results


class Stopwatch:
    """Splits each training iteration into its parts, which add up to the whole.

    Each :meth:`mark` gives the time since the mark before to one part: ``data`` (waiting for the batch), ``prepare``
    (normalisation, stacking, batch augmentation), ``forward`` (with the losses), ``backward``, ``step`` (clipping,
    optimizer, zeroing), ``other`` (hooks, logs). A GPU works behind the program's back: the parts are its own only where
    each mark waits for it (``split``), in a round whose time does not count.
    """

    def __init__(self, device: str | torch.device = 'cpu', split: bool = False) -> None:
        self.cuda = torch.device(device).type == 'cuda'
        self.begin(split)

    def begin(self, split: bool = False) -> None:
        """Begin an epoch."""
        self._waits, self.images, self.iterations = split and self.cuda, 0, []
        self._parts = dict.fromkeys(PARTS, 0.0)
        self._begin = self._first = self._last = self._now()

    def mark(self, part: str) -> None:
        """Give the time since the last mark to one of ``PARTS``."""
        now = self._now()
        self._parts[part] += now - self._last
        self._last = now

    def mark_around(self, owner, name: str, after: str, before: str | None = None) -> None:
        """Have a method of an object give its time to the part ``after``, and what was before it to another."""
        method = getattr(owner, name)

        # mmengine's schedulers look for their mark on it
        @functools.wraps(method)
        def wrapped(*args, **kwargs):
            if before is not None:
                self.mark(before)
            result = method(*args, **kwargs)
            self.mark(after)
            return result

        setattr(owner, name, wrapped)

    def end_iteration(self, images: int) -> None:
        """End an iteration of so many images."""
        self.mark('other')
        self.images += images
        # the whole by its own two readings, so that a part that is lost shows
        self.iterations.append([*self._parts.values(), self._last - self._first])
        self._parts, self._first = dict.fromkeys(PARTS, 0.0), self._last

    def end_epoch(self, validate: Callable[[], int]) -> dict:
        """End an epoch's training, validate with a function that returns the number of images, and sum up.

        Returns:
            dict: ``seconds`` and ``images`` of the ``epoch``, its ``training`` and ``validation``; ``split_ms``, the mean of
            each part of an iteration; ``iteration_ms``, the mean of the whole; ``memory_mib``.
        """
        self._waits = self.cuda
        trained = self._now()
        validated = validate()
        end = self._now()
        seconds = dict(
            epoch=end - self._begin, training=trained - self._begin, validation=end - trained
        )
        *parts, whole = (1000 * np.mean(self.iterations, axis=0)).tolist()
        return dict(
            seconds=seconds,
            images=dict(epoch=self.images, training=self.images, validation=validated),
            iteration_ms=whole,
            split_ms=dict(zip(PARTS, parts, strict=True)),
            memory_mib=peak_memory(),
        )

    def _now(self) -> float:
        if self._waits:
            torch.cuda.synchronize()
        return time.perf_counter()


def peak_memory() -> dict[str, float | None]:
    """Return the most memory that this process had (``main``), and torch on the ``gpu``, if there is one; in MiB."""
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_initialized() else None
    return dict(main=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, gpu=gpu)


def model_facts(model: torch.nn.Module, size: Sequence[int], **call) -> dict:
    """Count a model's ``parameters``, ``gmac`` (10^9 multiply-additions of an image's forward pass), and name its ``device``.

    ``size`` is the input's height and width; ``call`` are further arguments of the model's call, such as ``mode='tensor'``.
    """
    device, training = next(model.parameters()).device, model.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 3, *size, device=device), **call)
    model.train(training)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return dict(parameters=parameters, gmac=counter.get_total_flops() / 2e9, device=str(device))

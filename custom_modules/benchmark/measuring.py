"""Processes and timing: contestants run in processes of their own, round by round, and are timed there."""

import contextlib
import multiprocessing
import os
import shutil
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from custom_modules.utils.errors import UsageError

PARTS = ('data', 'prepare', 'forward', 'backward', 'step', 'other')


class StoppedError(Exception):
    """There are no more rounds."""


class Contestant(ABC):
    """Somebody who takes part. Its attributes are plain values: it travels to a process of its own.

    Args:
        name (str): Short, for tables.
        title (str): One line that says what it is.
        precision (str): What it computes in, such as ``'bfloat16'``.
        libraries (Sequence[str]): Modules to import at first.

    Attributes:
        threads (int, optional): Its own number of threads; None (default) takes that of all.
    """

    threads: int | None = None

    def __init__(self, name: str, title: str, precision: str, libraries: Sequence[str]) -> None:
        self.name, self.title, self.precision = name, title, precision
        self.libraries = tuple(libraries)

    @abstractmethod
    def build(self) -> dict:
        """Build everything, and return the facts, such as those of :func:`model_facts`."""

    @abstractmethod
    def measure(self, split: bool) -> dict:
        """Do one round; ``split``: one for the parts of an iteration, whose time does not count.

        Returns:
            dict: ``seconds`` and ``images`` by what was done, ``memory_mib``, and more.
        """

    def run(self) -> None:
        """Build, and do rounds as they are asked for."""
        self.report(self.build())
        while True:
            self.report(self.measure(self.wait() == 'split'))

    def wait(self) -> str:
        """Wait for what is asked for next."""
        command = self.pipe.recv()
        if command == 'stop':
            raise StoppedError
        return command

    def report(self, values: dict) -> None:
        """Report to the process that measures."""
        self.pipe.send(('done', values))


class ContestantProcess:
    """A process for one contestant, which imports its libraries and then does what it is told.

    Contestants share neither memory nor state: each one's peak memory is its own, and no library's global setting
    reaches another. They are started anew (``spawn``): a fork would inherit torch's threads.

    Args:
        contestant (Contestant): Who.
        log (Path): File that takes what it prints.
        threads (int): Torch's threads, the same for all contestants.
    """

    start = staticmethod(multiprocessing.get_context('spawn').Process)

    def __init__(self, contestant: Contestant, log: Path, threads: int) -> None:
        self._log, (self._pipe, theirs) = log, multiprocessing.Pipe()
        arguments = (contestant, theirs, str(log), threads, os.getpid())
        self._process = self.start(target=_work, args=arguments)
        self._process.start()

    def ask(self, command: str, seconds: float = float('inf')) -> dict:
        """Have the contestant do something.

        Args:
            command (str): ``'build'`` at first, which gives its facts; then ``'time'`` or ``'split'``.
            seconds (float): How long it may take. Defaults to any time.

        Raises:
            UsageError: As the contestant.
            RuntimeError: If it fails or dies.
            TimeoutError: If it takes longer.
        """
        end = time.monotonic() + seconds
        # one that has ended says why below
        with contextlib.suppress(OSError):
            self._pipe.send(command)
        while not self._pipe.poll(0.2):
            if not self._process.is_alive() and not self._pipe.poll(0):
                raise RuntimeError(f'a contestant ended without a word; it printed to {self._log}.')
            if time.monotonic() > end:
                raise TimeoutError(f'not done within {seconds:.0f} s')
        kind, content = self._pipe.recv()
        if kind == 'usage':
            raise UsageError(content)
        if kind == 'error':
            raise RuntimeError(f'a contestant failed:\n{content}')
        return content

    def close(self, seconds: float = 20) -> None:
        """End the contestant, which may take so long to do so by itself."""
        with contextlib.suppress(OSError):
            self._pipe.send('stop')
        self._process.join(seconds)
        if self._process.is_alive() and hasattr(self._process, 'kill'):
            self._process.kill()
            self._process.join()


def _work(contestant: Contestant, pipe, log: str, threads: int, parent: int) -> None:
    # tests run their contestants in threads of one process
    if os.getpid() != parent:
        # workers print there too: contestants that share a terminal would not be read
        with open(log, 'a') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    contestant.pipe = pipe
    try:
        for library in contestant.libraries:
            import_module(library)
        # imports may overlap with another's round, nothing else may
        contestant.wait()
        contestant.run()
    except (StoppedError, KeyboardInterrupt, EOFError):
        pass
    except UsageError as error:
        pipe.send(('usage', str(error)))
    except BaseException:
        pipe.send(('error', traceback.format_exc()))


def run_rounds(
    contestants: Sequence[Contestant],
    rounds: int,
    repeats: int,
    folder: Path,
    threads: int,
    split: bool = False,
    say: Callable[[str], None] = print,
) -> tuple[dict[str, dict], dict[str, list[dict]]]:
    """Measure contestants one after the other, round by round, so that a busy machine hits all alike.

    Args:
        contestants (Sequence[Contestant]): Who takes part.
        rounds (int): Rounds of each contestant from start to end, of which the first warms up.
        repeats (int): How often everybody is started anew.
        folder (Path): For their files, which are removed at the end of each repeat.
        threads (int): Torch's threads in each contestant.
        split (bool): Whether a contestant on a GPU has a further round for the parts of its iteration.
        say (Callable): Takes a line on how far it is. Defaults to ``print``.

    Returns:
        tuple[dict, dict]: The facts of each contestant, and its rounds: ``repeat``, ``order`` (the place among all),
        ``warm_up``, ``split``, and what it reported.
    """
    facts: dict[str, dict] = {}
    results: dict[str, list[dict]] = {one.name: [] for one in contestants}
    for repeat in range(repeats):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            processes = {}
            for one in contestants:
                log = folder / f'{one.name.replace(" ", "_")}.log'
                processes[one.name] = ContestantProcess(one, log, one.threads or threads)
                stack.callback(processes[one.name].close)
                facts[one.name] = dict(title=one.title, precision=one.precision)
                facts[one.name] |= processes[one.name].ask('build')
            cuda = split and any('cuda' in f.get('device', '') for f in facts.values())
            for number in range(rounds + cuda):
                marks = dict(repeat=repeat, warm_up=number == 0, split=number == rounds)
                for name, process in processes.items():
                    found = process.ask('split' if marks['split'] else 'time')
                    order = sum(map(len, results.values()))
                    results[name].append(marks | dict(order=order) | found)
                    seconds = ', '.join(f'{k} {v:.3g} s' for k, v in found['seconds'].items())
                    note = ' (warm-up)' * marks['warm_up'] + ' (parts only)' * marks['split']
                    say(f'{repeat + 1}/{repeats}, {number + 1}/{rounds} {name}: {seconds}{note}')
    return facts, results


class Stopwatch:
    """Splits each training iteration into its parts, which add up to the whole.

    Each :meth:`mark` gives the time since the mark before to one part: ``data`` (waiting for the batch), ``prepare``
    (normalisation, stacking, batch augmentation), ``forward`` (with the losses), ``backward``, ``step`` (clipping, the
    optimizer, zeroing the gradients), ``other`` (hooks, logs, the rest). A GPU works behind the program's back, so the parts
    are its own only where each mark waits for it, which slows the iteration down: a round whose time does not count.

    Args:
        device (str or torch.device): Where the model is. Defaults to the CPU.
    """

    def __init__(self, device: str | torch.device = 'cpu') -> None:
        self.cuda = torch.device(device).type == 'cuda'

    def begin(self, split: bool = False) -> None:
        """Begin an epoch; with ``split`` each mark waits for a GPU."""
        self._waits = split and self.cuda
        self.images, self.iterations = 0, []
        self._parts = dict.fromkeys(PARTS, 0.0)
        self._begin = self._first = self._last = self._now()

    def mark(self, part: str) -> None:
        """Give the time since the last mark to one of ``PARTS``."""
        now = self._now()
        self._parts[part] += now - self._last
        self._last = now

    def end_iteration(self, images: int) -> None:
        """End an iteration of so many images."""
        self.mark('other')
        self.images += images
        # by its own two readings, so that a part that is lost shows
        self.iterations.append(self._parts | {'iteration': self._last - self._first})
        self._parts, self._first = dict.fromkeys(PARTS, 0.0), self._last

    def end_epoch(self, validate: Callable[[], int]) -> dict:
        """End an epoch's training, validate, and sum up.

        Args:
            validate (Callable): Does it, and returns the number of images.

        Returns:
            dict: ``seconds`` and ``images`` of the ``epoch``, its ``training`` and ``validation``; ``split_ms``, the mean of each
            part of an iteration; ``iteration_ms``, the mean of the whole; ``memory_mib``.
        """
        self._waits = self.cuda
        trained = self._now()
        validated = validate()
        end, count = self._now(), len(self.iterations)
        mean = {k: 1000 * sum(i[k] for i in self.iterations) / count for k in self.iterations[0]}
        seconds = dict(epoch=end - self._begin, training=trained - self._begin)
        return dict(
            seconds=seconds | dict(validation=end - trained),
            images=dict(epoch=self.images, training=self.images, validation=validated),
            iteration_ms=mean.pop('iteration'),
            split_ms=mean,
            memory_mib=peak_memory(),
        )

    def _now(self) -> float:
        if self._waits:
            torch.cuda.synchronize()
        return time.perf_counter()


def peak_memory() -> dict[str, float | None]:
    """Return the most memory this process had (``main``), its workers together, and torch on the ``gpu``; MiB, None if unknown."""
    workers = [_peak(child.pid) for child in multiprocessing.active_children()]
    gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return dict(
        main=_peak(os.getpid()),
        # what they share counts for each
        workers=None if None in workers else sum(workers),
        gpu=torch.cuda.max_memory_allocated() / 2**20 if gpu else None,
    )


def _peak(process: int) -> float | None:
    try:
        lines = Path(f'/proc/{process}/status').read_text().splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith('VmHWM:')), None)


def model_facts(model: torch.nn.Module, size: Sequence[int], **call) -> dict:
    """Say how large a model is and how much it computes.

    Args:
        model (nn.Module): The model, on its device.
        size (Sequence[int]): Height and width of the input.
        **call: Further arguments of its call, such as ``mode='tensor'``.

    Returns:
        dict: ``parameters``, ``gmac`` (billions of multiply-additions of one image's forward pass), ``device``.
    """
    device, training = next(model.parameters()).device, model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *size, device=device), **call)
    model.train(training)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    gmac = counter.get_total_flops() / 2e9
    return dict(parameters=parameters, gmac=gmac, device=str(device))

"""Processes and timing: contestants run in processes of their own, round by round, and are timed there."""

import contextlib
import gc
import itertools
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from custom_modules.engine.devices import precision_of
from custom_modules.utils.machine import LoggedProcess, peak_memory

PARTS = ('data', 'prepare', 'forward', 'backward', 'step', 'other')
# of a contestant's process; tests have threads in place of processes
_here = threading.local()


class Contestant(ABC):
    """Somebody who takes part: a config and images of (width, height). Its attributes are plain values, which travel to a process.

    What tables say of it is the first line of its class's docstring, unless it has a title of its own.
    """

    # torch's in its process; None for as many as all have
    threads: int | None = None
    # further arguments of its network's call
    call = dict(mode='tensor')

    def __init__(self, name: str, cfg: Config, size: Sequence[int], title: str = '') -> None:
        self.name, self.precision = name, precision_of(cfg)
        self.title = title or type(self).__doc__.split('\n')[0].rstrip('.')
        # modules to import at first
        self.libraries = tuple(cfg.custom_imports.imports)
        self.cfg, self.size = cfg.to_dict(), size[::-1]

    def build(self) -> dict:
        """Build everything; returns ``parameters``, ``gmac`` (10^9 multiply-additions of an image's forward pass) and ``device``."""
        cfg = Config(self.cfg)
        init_default_scope(cfg.default_scope)
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        self.device = torch.device(get_device())
        self._build(cfg)
        model, training = self.model, self.model.training
        device = next(model.parameters()).device
        parameters = sum(p.numel() for p in model.parameters())
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.eval()(torch.zeros(1, 3, *self.size, device=device), **self.call)
        model.train(training)
        gmac = counter.get_total_flops() / 2e9
        return dict(parameters=parameters, gmac=gmac, device=str(device))

    @abstractmethod
    def _build(self, cfg: Config) -> None:
        """Build ``model`` and the rest."""

    @abstractmethod
    def measure(self, split: bool) -> dict:
        """Do one round, and return ``seconds`` and ``images`` by what was done, ``memory_mib``, and more.

        With ``split`` it is for the parts of an iteration, and its time does not count.
        """


def perform(command: Contestant | str) -> dict:
    """Build a contestant in this process, and return its facts; or measure a round of it, by ``'time'`` or ``'split'``."""
    if isinstance(command, str):
        marks = dict(warm_up=_here.warm_up, split=command == 'split')
        _here.warm_up = False
        return marks | _here.contestant.measure(marks['split'])
    # the one before it leaves room
    _here.contestant = None
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    _here.contestant, _here.warm_up = command, True
    return dict(title=command.title, precision=command.precision) | command.build()


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
                process = LoggedProcess(log, one.libraries, one.threads or threads)
                processes[one.name] = stack.enter_context(contextlib.closing(process))
            facts = {one.name: processes[one.name].call(perform, one) for one in contestants}
            cuda = any('cuda' in found.get('device', '') for found in facts.values())
            for number, command in enumerate(['time'] * (1 + rounds) + ['split'] * cuda):
                for name, process in processes.items():
                    found = process.call(perform, command)
                    results[name].append(found)
                    seconds = ', '.join(f'{k} {v:.3g} s' for k, v in found['seconds'].items())
                    note = ' (warm-up)' * found['warm_up'] + ' (parts only)' * found['split']
                    print(f'{repeat + 1}/{repeats}, {number}/{rounds} {name}: {seconds}{note}')
    return facts, results


class Stopwatch:
    """Splits the training iterations of an epoch into ``PARTS``.

    Each :meth:`mark` gives the time since the mark before to one part: ``data`` (waiting for the batch), ``prepare``
    (normalisation, stacking, batch augmentation), ``forward`` (with the losses), ``backward``, ``step`` (clipping,
    optimizer, zeroing), ``other`` (hooks, logs). A GPU works behind the program's back: the parts are its own only where
    each mark waits for it (``split``), in a round whose time does not count.
    """

    def __init__(self, split: bool = False) -> None:
        self._split, self._images, self._iterations = split, 0, 0
        self._marks = [('', now(split))]

    def mark(self, part: str) -> None:
        """Give the time since the last mark to a part."""
        self._marks.append((part, now(self._split)))

    def end_iteration(self, images: int) -> None:
        """End an iteration of so many images."""
        self.mark('other')
        self._images, self._iterations = self._images + images, self._iterations + 1

    def end_epoch(self, validate: Callable[[], int]) -> dict:
        """End an epoch's training, validate with a function that returns the number of images, and sum up.

        Returns:
            dict: ``seconds`` and ``images`` of the ``epoch``, its ``training`` and ``validation``; ``split_ms``, the mean of
            each part of an iteration; ``iteration_ms``, the mean of the whole; ``memory_mib``.
        """
        (_, begin), (_, last) = self._marks[0], self._marks[-1]
        parts = dict.fromkeys(PARTS, 0.0)
        for (_, before), (part, moment) in itertools.pairwise(self._marks):
            parts[part] += 1000 * (moment - before) / self._iterations
        trained, validated, end = now(), validate(), now()
        seconds = dict(epoch=end - begin, training=trained - begin, validation=end - trained)
        return dict(
            seconds=seconds,
            images=dict(epoch=self._images, training=self._images, validation=validated),
            iteration_ms=1000 * (last - begin) / self._iterations,
            split_ms=parts,
            memory_mib=peak_memory(),
        )


def now(wait: bool = True) -> float:
    """Read the clock, on a GPU when all is done there, unless it shall not ``wait``."""
    if wait and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()

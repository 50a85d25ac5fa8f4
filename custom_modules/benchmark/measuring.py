"""Runs contestants in processes of their own, round by round, and measures them there."""

import contextlib
import copy
import gc
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from custom_modules.engine.devices import precision_of
from custom_modules.utils.machine import LoggedProcess

# holds the contestant of this process; thread-local, since tests use threads instead of processes
_process = threading.local()


class Contestant(ABC):
    """A participant of the benchmark, with a config and images of (width, height); it is pickled before it is built.

    Tables describe it by its title, by default the first line of its class's docstring.
    """

    threads: int | None = None  # torch's in its process; None for the number that all have
    call = dict(mode='tensor')  # further arguments of the model's call

    def __init__(self, name: str, cfg: Config, size: Sequence[int], title: str = '') -> None:
        self.name, self.precision = name, precision_of(cfg)
        self.cfg, self.size = copy.deepcopy(cfg), size[::-1]
        self.title = title or type(self).__doc__.split('\n')[0].rstrip('.')

    def build(self) -> dict:
        """Build everything, and return ``parameters``, ``gmac`` (10^9 multiply-additions per image, forward) and ``device``."""
        init_default_scope(self.cfg.default_scope)
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        self.device = torch.device(get_device())
        self._build(self.cfg)
        model, training = self.model, self.model.training
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            device = next(model.parameters()).device
            model.eval()(torch.zeros(1, 3, *self.size, device=device), **self.call)
        model.train(training)
        parameters = sum(p.numel() for p in model.parameters())
        return dict(parameters=parameters, gmac=counter.get_total_flops() / 2e9, device=str(device))

    @abstractmethod
    def _build(self, cfg: Config) -> None:
        """Build ``model`` and the rest."""

    @abstractmethod
    def measure(self) -> dict:
        """Run one round, and return ``seconds`` and ``images`` of each activity, ``memory_mib``, and more."""


def begin(contestant: Contestant) -> dict:
    """Build a contestant in this process, and return the facts about it."""
    # the memory of the previous one is freed first
    _process.contestant = None
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    _process.contestant = contestant
    return dict(title=contestant.title, precision=contestant.precision, **contestant.build())


def measure() -> dict:
    """Measure a round of this process's contestant."""
    return _process.contestant.measure()


def run_rounds(
    contestants: Sequence[Contestant], rounds: int, repeats: int, folder: Path, threads: int
) -> tuple[dict[str, dict], dict[str, list[dict]]]:
    """Measure contestants in turn, round by round, so that other load on the machine affects all alike.

    One warm-up round precedes the ``rounds`` that count. Each of the ``repeats`` starts new processes, with so many ``threads``
    of torch; their files go to the folder, which is removed afterwards. Returns the facts of each contestant, and its rounds:
    ``warm_up``, and what it measured.
    """
    facts, results = {}, {one.name: [] for one in contestants}
    for repeat in range(repeats):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            processes = {}
            for one in contestants:
                log = folder / f'{one.name.replace(" ", "_")}.log'
                process = LoggedProcess(log, one.cfg.custom_imports.imports, one.threads or threads)
                processes[one.name] = stack.enter_context(contextlib.closing(process))
            facts = {one.name: processes[one.name].call(begin, one) for one in contestants}
            for number in range(1 + rounds):
                for name, process in processes.items():
                    found = process.call(measure)
                    results[name].append(dict(warm_up=number == 0, **found))
                    seconds = ', '.join(f'{k} {v:.3g} s' for k, v in found['seconds'].items())
                    note = '' if number else ' (warm-up)'
                    print(f'{repeat + 1}/{repeats}, {number}/{rounds} {name}: {seconds}{note}')
    return facts, results


def synchronized_time() -> float:
    """Read the clock, after all work on the GPU is done."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()

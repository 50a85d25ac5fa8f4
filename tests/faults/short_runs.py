"""Trainings of a second, in this process or in one that can be killed."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from conftest import MOON_OPTIONS, REPOSITORY, run_tool

# two steps an epoch on the ten pairs of the tests
SMALL = [*MOON_OPTIONS, 'model.backbone.widths=[4,4,8]', 'default_hooks.fixed_samples.count=0', 'train_cfg.max_epochs=3']


def command(config: str | Path, work_dir: Path, *arguments: object, options=(), small=SMALL) -> list[str]:
    """The command line of a small training; what ``options`` say last holds."""
    config = config if isinstance(config, Path) else REPOSITORY / 'configs' / f'{config}.py'
    return ['train.py', str(config), '--work-dir', str(work_dir), *map(str, arguments), '--cfg-options', *small, *options]


def errors(capsys) -> list[str]:
    """The lines that say what is wrong; a traceback says nothing."""
    said = capsys.readouterr().err
    assert 'Traceback' not in said
    return [line for line in said.splitlines() if line.startswith('error: ')]


def before_step(epoch: int, act: Callable[[], object], index: int = 0) -> Callable[[], None]:
    """A moment for :func:`forked`: before a training step of an epoch (both counted from 0)."""

    def moment() -> None:
        from mmengine.runner import EpochBasedTrainLoop

        plain = EpochBasedTrainLoop.run_iter

        def run_iter(self, step, batch):
            if self.epoch == epoch and step == index:
                act()
            plain(self, step, batch)

        EpochBasedTrainLoop.run_iter = run_iter

    return moment


def forked(argv: list[str], moment: Callable[[], object], folder: Path) -> multiprocessing.Process:
    """Start a tool in a process of its own, in which ``moment`` patches what is to happen; ``folder`` gets its output."""

    def run() -> None:
        with open(folder / 'output.txt', 'a') as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            # what pytest captures is not the process's own
            sys.stdout, sys.stderr = os.fdopen(1, 'w', 1), os.fdopen(2, 'w', 1)
        moment()
        code = run_tool(*argv)
        sys.stderr.flush()
        os._exit(code)

    # forked: all libraries are there already
    process = multiprocessing.get_context('fork').Process(target=run)
    process.start()
    return process


def killed_when(argv: list[str], moment: Callable[[], object], folder: Path) -> int:
    """Run a tool as :func:`forked` does, where it may be killed; returns its exit code."""
    process = forked(argv, moment, folder)
    process.join(240)
    return process.exitcode


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint; where averages are kept, those that are not averaged too."""
    found = torch.load(path, map_location='cpu', weights_only=True)
    return found['state_dict'] | {f'other.{name}': tensor for name, tensor in found.get('ema_state_dict', {}).items()}


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that are not the same to the last bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]

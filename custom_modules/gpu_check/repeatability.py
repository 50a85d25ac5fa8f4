"""Checks whether training is repeatable on this machine: one seed twice, killed and resumed, with two processes."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from custom_modules.engine.weights import read_weights
from custom_modules.utils.files import REPOSITORY
from custom_modules.utils.machine import last_line, start_logged

# deterministic, and two processes may share a GPU
OPTIONS = (
    'train_cfg.max_epochs=4',
    'randomness.deterministic=True',
    'env_cfg.cudnn_benchmark=False',
    'env_cfg.dist_cfg.backend=gloo',
)


def check_repeatability(
    config: Path, folder: Path, options: Sequence[str], variables: Mapping[str, str], seconds: float
) -> dict[str, str]:
    """Train a config for four epochs in mixed precision, several times in parallel, and compare the weights.

    The trainings write to the folder, get further ``--cfg-options`` and environment variables, and are ended after ``seconds``.
    Returns the outcomes of ``one seed twice``, ``killed and resumed`` and ``two ranks on one GPU``, in words.
    """
    pool, found, end = ThreadPoolExecutor(6), {}, time.monotonic() + seconds

    def train(name: str, kill_at: str = '', **rank: str) -> Path:
        tool, work_dir, log = REPOSITORY / 'tools' / 'train.py', folder / name, folder / f'{name}.log'
        command = [sys.executable, tool, config, '--amp', '--resume', '--work-dir', work_dir]
        command += ['--launcher', 'pytorch' if rank else 'none', '--cfg-options', *OPTIONS, *options]
        process = start_logged([*map(str, command)], log, os.environ | {**variables, **rank})
        while process.poll() is None and not (kill_at and (work_dir / kill_at).exists()):
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
                raise TimeoutError('no time was left')
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode:
            raise RuntimeError(last_line(log))
        process.wait()
        return work_dir

    def start(*args: str, **rank: str) -> Callable[[], Path]:
        return pool.submit(train, *args, **rank).result

    whole, twin, killed = start('whole'), start('twin'), start('killed', 'epoch_2.pth')
    # started here, since a launcher would give each process a GPU of its own
    world = dict(WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT='29611')
    ranks = [start(f'rank{i}', RANK=str(i), **world) for i in (0, 1)]
    checks = {
        'one seed twice': lambda: deviation(whole(), twin()),
        'killed and resumed': lambda: deviation(whole(), killed() and train('killed')),
        'two ranks on one GPU': lambda: f'trained {len([wait() for wait in ranks])}',
    }
    for name, check in checks.items():
        try:
            found[name] = check()
        except Exception as error:
            found[name] = f'failed: {error}'
    return found


def deviation(one: Path, other: Path) -> str:
    """Describe the largest difference between the weights of two runs after four epochs."""
    first, second = (read_weights(folder / 'epoch_4.pth') for folder in (one, other))
    largest = max(float((weight.double() - second[name].double()).abs().max()) for name, weight in first.items())
    return f'largest deviation of a weight {largest:.3g}' if largest else 'bit-identical'

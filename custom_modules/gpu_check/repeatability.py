"""Whether a training can be repeated on this machine: one seed twice, killed and resumed, by two processes."""

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
    """Train a config for four epochs in mixed precision, several times side by side, and compare the weights.

    The trainings write to the folder, with further ``--cfg-options`` and environment variables, and may take so many seconds.

    Returns:
        dict[str, str]: What came of ``one seed twice``, ``killed and resumed`` and ``two ranks on one GPU``.
    """
    pool, found, end = ThreadPoolExecutor(6), {}, time.monotonic() + seconds

    def train(name: str, until: str = '', **more: str) -> Path:
        tool, work_dir = REPOSITORY / 'tools' / 'train.py', folder / name
        command = [sys.executable, tool, config, '--amp', '--resume', '--work-dir', work_dir]
        command += ['--launcher', 'pytorch' if more else 'none']
        command += ['--cfg-options', *OPTIONS, *options]
        log = folder / f'{name}.log'
        process = start_logged([*map(str, command)], log, os.environ | {**variables, **more})
        while process.poll() is None and not (until and (work_dir / until).exists()):
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

    def started(*args: str, **more: str) -> Callable[[], Path]:
        return pool.submit(train, *args, **more).result

    whole, twin, killed = started('whole'), started('twin'), started('killed', 'epoch_2.pth')
    # a launcher would give the second a second GPU
    where = dict(WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT='29611')
    ranks = [started(f'rank{i}', RANK=str(i), **where) for i in (0, 1)]
    checks = {
        'one seed twice': lambda: deviation(whole(), twin()),
        'killed and resumed': lambda: deviation(whole(), killed() and train('killed')),
        'two ranks on one GPU': lambda: f'trained {len([one() for one in ranks])}',
    }
    for name, check in checks.items():
        try:
            found[name] = check()
        except Exception as error:
            found[name] = f'failed: {error}'
    return found


def deviation(one: Path, other: Path) -> str:
    """Say how far the weights after four epochs of two runs are apart."""
    first, second = (read_weights(folder / 'epoch_4.pth') for folder in (one, other))
    apart = max(float((a.double() - second[n].double()).abs().max()) for n, a in first.items())
    return f'largest deviation of a weight {apart:.3g}' if apart else 'bit-identical'

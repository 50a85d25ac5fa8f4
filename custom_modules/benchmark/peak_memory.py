import os
from pathlib import Path

import torch

PROC = Path('/proc')


def peak_memory() -> dict[str, float | None]:
    """Return how much memory this process and its workers took at most, in MiB.

    Returns:
        dict: ``main``, the peak of this process; ``workers``, the sum of its children's peaks (what they share with this
        process, such as loaded libraries or a cache, is counted again in each); ``shared_once``, what all of them hold
        now with shared pages counted once; ``gpu``, the peak that torch allocated there. None where the system or the
        machine does not have it.
    """
    main, children = os.getpid(), _children(os.getpid())
    gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return dict(
        main=_field(main, 'status', 'VmHWM'),
        workers=_total([_field(child, 'status', 'VmHWM') for child in children]),
        shared_once=_total([_field(p, 'smaps_rollup', 'Pss') for p in (main, *children)]),
        gpu=torch.cuda.max_memory_allocated() / 2**20 if gpu else None,
    )


def _children(process: int) -> list[int]:
    found = []
    try:
        for task in (PROC / str(process) / 'task').iterdir():
            for child in (task / 'children').read_text().split():
                found += [int(child), *_children(int(child))]
    except OSError:
        # no Linux, or one that ended meanwhile
        pass
    return found


def _field(process: int, file: str, name: str) -> float | None:
    try:
        lines = (PROC / str(process) / file).read_text().splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) / 1024 for x in lines if x.startswith(f'{name}:')), None)


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None

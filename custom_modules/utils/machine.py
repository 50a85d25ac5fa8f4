"""What this process may use of its machine: cores and memory."""

import os
from pathlib import Path

MEMINFO = Path('/proc/meminfo')
CGROUP = Path('/sys/fs/cgroup')


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
    # of control groups version 2, or 1
    limit, used = (_number('memory.max'), _number('memory.current'))
    if limit is None:
        limit, used = (_number(f'memory/memory.{n}_in_bytes') for n in ('limit', 'usage'))
    # a container has less than its machine
    return min(free, limit - used) if free and limit and used else free


def _number(path: str) -> int | None:
    try:
        return int((CGROUP / path).read_text())
    except (OSError, ValueError):
        return None

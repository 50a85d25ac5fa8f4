from pathlib import Path

MEMINFO = Path('/proc/meminfo')


def available_memory() -> int | None:
    """Count the bytes that programs can still take; None where only the system's own tools know."""
    if not MEMINFO.exists():
        return None
    lines = MEMINFO.read_text().splitlines()
    free = next((int(x.split()[1]) * 1024 for x in lines if x.startswith('MemAvailable')), None)
    limit, used = (_number(f'/sys/fs/cgroup/memory.{name}') for name in ('max', 'current'))
    # a container has less than its machine
    return min(free, limit - used) if free and limit and used else free


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None

"""Work dirs: one training at a time in each, and room for another one."""

import time
from pathlib import Path

from filelock import FileLock, Timeout

from custom_modules.utils.errors import UsageError

LOCK = 'training.lock'


def lock_work_dir(work_dir: str | Path, timeout: float = 1) -> FileLock:
    """Take a work dir's lock, which the system lifts when this process ends, in whatever way. The file stays.

    Args:
        work_dir (str | Path): The work dir; it is made where it is not there.
        timeout (float): Seconds to wait for it. Defaults to 1: longer than :func:`is_locked` holds it.

    Returns:
        FileLock: Held as long as it is referenced. Where the file system has no locks it is not held, and nobody is kept out.

    Raises:
        UsageError: If another process holds it, on this machine or on one that shares the folder.
    """
    path = Path(work_dir) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise UsageError(
            f'another process is training in {work_dir}: wait for it, or write elsewhere with --work-dir.'
        ) from None
    except OSError:
        pass
    return lock


def is_locked(work_dir: str | Path) -> bool:
    """Whether a training is at work in a work dir. What a dead one has left is a file without a lock.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lock = lock_work_dir(folder)
        ...     held = is_locked(folder)
        ...     lock.release()
        ...     held, is_locked(folder)
        (True, False)
    """
    if not (Path(work_dir) / LOCK).exists():
        return False
    try:
        lock_work_dir(work_dir, timeout=0).release()
    except UsageError:
        return True
    return False


def move_aside(folder: Path) -> None:
    """Make room in a run's folder of a sweep.

    Args:
        folder (Path): The work dir, ``ROOT/NAME/seed_0``. What it holds goes to ``ROOT/.replaced/``, where a report does not look.
    """
    name = f'{folder.name}-{time.strftime("%Y%m%d_%H%M%S")}'
    target = folder.parent.parent / '.replaced' / folder.parent.name / name
    target.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != LOCK:
            path.rename(target / path.name)

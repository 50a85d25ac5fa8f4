import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# then something hangs, and it is built twice
PATIENCE = 600


@contextmanager
def only_builder(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Let one process after the other build a file, so that the second finds it.

    It only saves work: where the file system has no locks, or after ``patience``, both build, each under a name of
    its own. The system lifts the lock of a process that ends.

    Args:
        path (Path): The file; the lock lies beside it.
        patience (float): Seconds to wait for the lock. Defaults to 600.
    """
    if fcntl is None:
        yield
        return
    lock = path.with_name(f'.{path.name}.lock')
    with lock.open('w') as file:
        deadline = time.monotonic() + patience
        while not _locked(file) and time.monotonic() < deadline:
            time.sleep(0.1)
        try:
            yield
        finally:
            # a third process may now build beside a second one that waits: twice the work, and no harm
            lock.unlink(missing_ok=True)


def _locked(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # no locks here: go on as if it were ours
        return True
    return True

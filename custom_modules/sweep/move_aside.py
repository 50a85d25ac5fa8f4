import time
from pathlib import Path

from .run_lock import RunLock


def move_aside(folder: Path) -> Path:
    """Make room in a work dir: what it holds goes to ``.replaced/`` in the sweep's folder, where a report does not look.

    Args:
        folder (Path): The work dir, ``<root>/<name>/seed_<n>``, whose lock is this process's.

    Returns:
        Path: Where it is now.
    """
    name = f'{folder.name}-{time.strftime("%Y%m%d_%H%M%S")}'
    target = folder.parent.parent / '.replaced' / folder.parent.name / name
    target.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != RunLock.NAME:
            path.rename(target / path.name)
    return target

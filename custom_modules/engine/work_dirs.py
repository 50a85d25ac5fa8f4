"""Work dirs: locked by one training at a time, searched for the checkpoint to resume from, and moved aside."""

import re
import time
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.logging import print_log

from custom_modules.models.safe_loading import load_checkpoint_file
from custom_modules.utils.errors import UsageError

LOCK = 'training.lock'


def lock_work_dir(work_dir: str | Path, timeout: float = 1) -> FileLock:
    """Lock a work dir as long as the lock is referenced; the system releases it when the process ends.

    Creates the folder; the file remains. Does nothing where the file system has no locks. Raises a UsageError if another
    process, on this machine or one that shares the folder, holds the lock for ``timeout`` seconds, longer than :func:`is_locked`.
    """
    path = Path(work_dir) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise UsageError(f'another process is training in {work_dir}: wait for it, or write elsewhere with --work-dir.') from None
    except OSError:
        pass
    return lock


def is_locked(work_dir: str | Path) -> bool:
    """Whether a training runs in a work dir; one that was killed leaves the file, but no lock."""
    if not (Path(work_dir) / LOCK).exists():
        return False
    try:
        lock_work_dir(work_dir, timeout=0).release()
    except UsageError:
        return True
    return False


def last_checkpoint(work_dir: str | Path) -> Path | None:
    """Find the checkpoint to resume from: the one that ``last_checkpoint`` names, else the newest readable one.

    It is always one of this folder, also where that was copied or moved. None if it has none; a UsageError if none of them
    can be read.
    """
    folder = Path(work_dir)
    note = folder / 'last_checkpoint'
    named = Path(note.read_text(errors='replace').strip()).name if note.is_file() else ''
    # best_*.pth hold no optimizer, so no run resumes from them
    others = [p for p in folder.glob('*.pth') if not p.name.startswith('best_') and p.name != named]
    # newest first, by number: epoch_10 before epoch_9
    others.sort(key=lambda path: ([int(n) for n in re.findall(r'(\d+)\.pth$', path.name)], path.name), reverse=True)
    reasons = {}
    candidates = [folder / named, *others] if named else others
    for path in candidates:
        try:
            load_checkpoint_file(path)
        except UsageError as error:
            reasons[path.name] = str(error)
            continue
        if reasons or not named:
            why = '; '.join(reasons.values()) or f'{note} names none'
            print_log(f'Going on from {path}, the newest sound checkpoint ({why}).')
        return path
    if others or (named and (folder / named).is_file()):
        raise UsageError(
            f'none of the {len(reasons)} checkpoints in {folder} can be read ({"; ".join(reasons.values())}): train anew in another --work-dir.'
        )
    return None


def move_aside(folder: Path) -> None:
    """Move the contents of ``ROOT/NAME/seed_0`` to ``ROOT/.replaced/``, which reports ignore."""
    name = f'{folder.name}-{time.strftime("%Y%m%d_%H%M%S")}'
    target = folder.parent.parent / '.replaced' / folder.parent.name / name
    target.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != LOCK:
            path.rename(target / path.name)

"""Work dirs: one training at a time in each, what it goes on from, and room for another one."""

import re
import time
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.logging import print_log

from custom_modules.models.safe_loading import load_checkpoint_file
from custom_modules.utils.errors import UsageError

LOCK = 'training.lock'


def lock_work_dir(work_dir: str | Path, timeout: float = 1) -> FileLock:
    """Take a work dir's lock, which is held as long as it is referenced, and lifted however this process ends.

    The folder is made, and the file stays. Where the file system has no locks nobody is kept out. After ``timeout`` seconds (1,
    more than :func:`is_locked` holds it) a UsageError: another process has it, on this machine or on one that shares the
    folder.
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
    """Whether a training is at work in a work dir. What a dead one has left is a file without a lock."""
    if not (Path(work_dir) / LOCK).exists():
        return False
    try:
        lock_work_dir(work_dir, timeout=0).release()
    except UsageError:
        return True
    return False


def require_no_run(work_dir: str | Path) -> None:
    """Refuse, with a UsageError, a work dir that holds a checkpoint, before anything is written to it."""
    folder = Path(work_dir)
    held = [folder / 'last_checkpoint'] if (folder / 'last_checkpoint').exists() else []
    held += sorted(folder.glob('*.pth'))
    if held:
        raise UsageError(
            f'{work_dir} already holds a run ({held[-1].name}), which would be overwritten: go on with --resume, write elsewhere '
            'with --work-dir, or remove it.'
        )


def last_checkpoint(work_dir: str | Path) -> Path | None:
    """Find the checkpoint that a run goes on from: the one that ``last_checkpoint`` names, or the newest one that is sound.

    In a copied or moved folder it is its own checkpoint, wherever it was written. None where there is none; a UsageError if
    there are some, and none of them can be read.
    """
    folder = Path(work_dir)
    note = folder / 'last_checkpoint'
    named = Path(note.read_text(errors='replace').strip()).name if note.is_file() else ''
    # the best ones hold no optimizer
    others = [p for p in folder.glob('*.pth') if not p.name.startswith('best_') and p.name != named]
    others.sort(key=lambda path: (_number(path), path.name), reverse=True)
    found = [folder / named] * bool(named) + others
    reasons = {}
    for path in found:
        try:
            load_checkpoint_file(path)
        except UsageError as error:
            reasons[path.name] = str(error)
            continue
        if reasons or not named:
            said = '; '.join(reasons.values()) or f'{note} names none'
            print_log(f'Going on from {path}, the newest sound checkpoint ({said}).')
        return path
    if others:
        raise UsageError(
            f'none of the {len(others)} checkpoints in {folder} can be read ({"; ".join(reasons.values())}): train anew in another --work-dir.'
        )
    return None


def _number(path: Path) -> int:
    found = re.search(r'(\d+)\.pth$', path.name)
    return int(found[1]) if found else -1


def move_aside(folder: Path) -> None:
    """Make room in ``ROOT/NAME/seed_0``: what it holds goes to ``ROOT/.replaced/``, where a report does not look."""
    name = f'{folder.name}-{time.strftime("%Y%m%d_%H%M%S")}'
    target = folder.parent.parent / '.replaced' / folder.parent.name / name
    target.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != LOCK:
            path.rename(target / path.name)

import os
import tempfile
from typing import BinaryIO

from mmengine.dist import get_world_size

from custom_modules.diagnosis.available_memory import available_memory

from .not_cacheable_error import NotCacheableError

# the model and the workers need the rest
SHARE = 0.8


def memory_file() -> BinaryIO:
    """Make an empty file without a name, which processes started from here share.

    It lies in memory, and not in ``/dev/shm``, which a container makes small; on systems without such files it is
    a temporary one, which the system keeps in memory while there is room.

    Returns:
        BinaryIO: Open for reading and writing.
    """
    if hasattr(os, 'memfd_create'):
        return os.fdopen(os.memfd_create('lunar-rocks-decoded'), 'w+b')
    return tempfile.TemporaryFile()


def require_memory(nbytes: int) -> None:
    """Refuse to fill the memory: the system would end a process without a word.

    Args:
        nbytes (int): What is still to come in this process.

    Raises:
        NotCacheableError: If it is more than :data:`SHARE` of what is free, with the copies that the other processes
            on this machine make.
    """
    free, several = available_memory(), _processes_here()
    if free is not None and nbytes * several > SHARE * free:
        each = f' in each of {several} processes' if several > 1 else ''
        raise NotCacheableError(
            f"cache='ram' needs {nbytes / 1e6:.0f} MB more{each}, and {free / 1e6:.0f} MB of memory are free (a smaller "
            "load_size or cache='disk' helps)"
        )


def _processes_here() -> int:
    # torchrun says it; with another launcher all of them may be on this machine
    return int(os.environ.get('LOCAL_WORLD_SIZE') or get_world_size())

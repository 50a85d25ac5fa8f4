import os
import tempfile
from typing import BinaryIO

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
        nbytes (int): What is still to come.

    Raises:
        NotCacheableError: If it is more than :data:`SHARE` of what is free.
    """
    free = available_memory()
    if free is not None and nbytes > SHARE * free:
        raise NotCacheableError(
            f"cache='ram' needs {nbytes / 1e6:.0f} MB more, and {free / 1e6:.0f} MB of memory are free (a smaller "
            "load_size or cache='disk' helps)"
        )

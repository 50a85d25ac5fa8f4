import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


@register_backend('AtomicLocalBackend')
class AtomicLocalBackend(LocalBackend):
    """Local files that are either whole or not there.

    mmengine writes a checkpoint straight into its final name: an interrupted run leaves half a
    file, and ``--resume`` dies of it. Here the bytes go to a neighbour that takes the name at the end.

    Example:
        >>> checkpoint = dict(type='CheckpointHook', backend_args=dict(backend='AtomicLocalBackend'))
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, all or nothing.

        Args:
            obj (bytes): The content.
            filepath (str or Path): Where to; missing folders are made.
        """
        target = Path(filepath)
        unfinished = target.with_name(f'.{target.name}.{os.getpid()}')
        try:
            super().put(obj, unfinished)
            with unfinished.open('rb') as file:
                # else a power cut could leave the name without the bytes
                os.fsync(file.fileno())
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)

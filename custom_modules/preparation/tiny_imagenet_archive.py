"""Tiny ImageNet: from its archive to a folder."""

import shutil
from pathlib import Path

from custom_modules.preparation.archive_entries import ArchiveEntries
from custom_modules.preparation.progress import progress
from custom_modules.usage_error import UsageError


class TinyImageNetArchive:
    """Unpacks a Tiny ImageNet archive to `<out>/tiny-imagenet-200`.

    Args:
        archive: A zip or tar file (also compressed) whose top folder is `tiny-imagenet-200`.
        out: Folder to unpack to.
    """

    TOP = 'tiny-imagenet-200'

    def __init__(self, archive, out):
        self.archive = Path(archive)
        self.target = Path(out) / self.TOP

    def unpack(self):
        """Unpack all or nothing.

        Returns:
            Number of files written; 0 when the target is already there.

        Raises:
            UsageError: The archive is unsafe, damaged or not Tiny ImageNet, the disk is too
                small, or the target exists without being Tiny ImageNet.
        """
        if self.target.exists():
            if (self.target / 'wnids.txt').is_file() and (self.target / 'train').is_dir():
                return 0
            raise UsageError(
                f'{self.target} exists, but without wnids.txt and train: move it away first.'
            )
        with ArchiveEntries(self.archive) as entries:
            names = [name for name in entries.names() if name.parts[:1] == (self.TOP,)]
            inner = {name.parts[1] for name in names if len(name.parts) > 1}
            if not {'wnids.txt', 'train'} <= inner:
                raise UsageError(
                    f'{self.archive} holds no {self.TOP}/wnids.txt and {self.TOP}/train: '
                    'it is not Tiny ImageNet.'
                )
            self.target.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.target.parent).free
            if entries.size() > free:
                raise UsageError(
                    f'{self.archive} unpacks to {entries.size() >> 20} MiB, but only '
                    f'{free >> 20} MiB are free in {self.target.parent}.'
                )
            self._unpack(entries, names)
        return len(names)

    def classes(self):
        """Return the number of class folders that hold training pictures."""
        return sum(folder.is_dir() for folder in (self.target / 'train').iterdir())

    def _unpack(self, entries, names):
        # Beside the target, so that the last step is a rename on one disk. A killed run leaves this
        # folder behind under its own name; the next run clears it.
        unfinished = self.target.with_name(f'.{self.TOP}.unfinished')
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            for name in progress(names, 'Unpacking'):
                path = unfinished.joinpath(*name.parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(entries.read(name))
            (unfinished / self.TOP).rename(self.target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

"""The Tiny ImageNet archive."""

import re
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress


class ArchiveEntries:
    """An open zip or tar archive whose every entry is a plain file or folder inside it; a context manager.

    What a file is, its content says, not its suffix.

    Raises:
        UsageError: The file is missing, no archive, damaged, or holds an entry that would
            land outside the folder it is unpacked to, or is a link or a device.
    """

    DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError, OSError)

    def __init__(self, path):
        if not path.is_file():
            raise UsageError(f'{path} is not a file.')
        self.path = path
        # tar first: a tar whose last file is a zip would pass for a zip as well.
        if tarfile.is_tarfile(path):
            self._archive = self._guard(tarfile.open, path)
        elif zipfile.is_zipfile(path):
            self._archive = self._guard(zipfile.ZipFile, path)
        else:
            raise UsageError(f'{path} is neither a zip nor a tar archive.')
        try:
            self._files = dict(self._checked_files())
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self):
        """Return the opened archive."""
        return self

    def __exit__(self, *_):
        """Close the archive."""
        self._archive.close()

    def names(self):
        """Return the files' paths inside the archive, in its order, as `PurePosixPath`s."""
        return list(self._files)

    def size(self):
        """Return the size of all files together, unpacked, in bytes."""
        zipped = isinstance(self._archive, zipfile.ZipFile)
        return sum(e.file_size if zipped else e.size for e in self._files.values())

    def read(self, name):
        """Return one file's bytes; a UsageError where the archive is damaged or encrypted there."""
        entry = self._files[name]
        if isinstance(entry, zipfile.ZipInfo):
            return self._guard(self._archive.read, entry)
        return self._guard(lambda: self._archive.extractfile(entry).read())

    def _checked_files(self):
        if isinstance(self._archive, zipfile.ZipFile):
            for entry in self._archive.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    self._refuse(entry.filename, 'is a link or a device')
                path = self._inside(entry.orig_filename)
                if not entry.is_dir():
                    yield path, entry
            return
        for entry in self._guard(self._archive.getmembers):
            if not (entry.isfile() or entry.isdir()):
                self._refuse(entry.name, 'is a link or a device')
            path = self._inside(entry.name)
            # The standard library's own judgement on top, where this Python has it.
            if hasattr(tarfile, 'data_filter'):
                self._guard(tarfile.data_filter, entry, str(self.path.parent))
            if entry.isfile():
                yield path, entry

    def _inside(self, name):
        # As strict as the strictest system: a backslash or a drive letter means a path on Windows.
        path = PurePosixPath(name.replace('\\', '/'))
        if path.is_absolute() or '..' in path.parts or re.match('[A-Za-z]:', name) or '\0' in name:
            self._refuse(name, 'would land outside the target folder')
        return path

    def _refuse(self, name, why):
        raise UsageError(f'{self.path} is refused: its entry {name!r} {why}.')

    def _guard(self, action, *arguments):
        try:
            return action(*arguments)
        except UsageError:
            raise
        except self.DAMAGE as error:
            raise UsageError(f'{self.path} is damaged: {error}.') from error
        except Exception as error:
            # zlib and lzma have errors of their own, without a common parent.
            if type(error).__module__ in ('zlib', 'lzma', '_lzma', 'bz2'):
                raise UsageError(f'{self.path} is damaged: {error}.') from error
            raise


class TinyImageNetArchive:
    """Unpacks a Tiny ImageNet archive to `<out>/tiny-imagenet-200`.

    It is a zip or tar file (also compressed) of the folder `tiny-imagenet-200`, of what is in it, or with folders around it.
    """

    TOP = 'tiny-imagenet-200'

    def __init__(self, archive, out):
        self.archive = Path(archive)
        self.target = Path(out) / self.TOP

    def unpack(self):
        """Unpack all or nothing, and return the number of files written; 0 when the target is already there.

        Raises:
            UsageError: The archive is unsafe, damaged or not Tiny ImageNet, the disk is too
                small, or the target exists without being Tiny ImageNet.
        """
        if self.target.exists():
            if (self.target / 'wnids.txt').is_file() and (self.target / 'train').is_dir():
                return 0
            found = f'{self.target} exists, but without wnids.txt and train'
            raise UsageError(f'{found}: move it away first.')
        with ArchiveEntries(self.archive) as entries:
            files = self._files_below_top(entries.names())
            self.target.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.target.parent).free
            if entries.size() > free:
                raise UsageError(
                    f'{self.archive} unpacks to {entries.size() >> 20} MiB, but only '
                    f'{free >> 20} MiB are free in {self.target.parent}.'
                )
            self._unpack(entries, files)
        return len(files)

    def classes(self):
        """Return the number of class folders that hold training pictures."""
        return sum(folder.is_dir() for folder in (self.target / 'train').iterdir())

    def _files_below_top(self, names):
        """Give each file's entry and its path below the folder that holds wnids.txt and train, however deep that is."""
        # what a Mac adds: ._ files, .DS_Store, a folder __MACOSX
        hidden = ('.', '__MACOSX')
        names = [n for n in names if not any(p.startswith(hidden) for p in n.parts if p != '.')]
        tops = [name.parent for name in names if name.name == 'wnids.txt']
        for top in sorted(tops, key=lambda top: len(top.parts)):
            files = {name: name.relative_to(top) for name in names if top in name.parents}
            if any(path.parts[0] == 'train' for path in files.values()):
                return files
        raise UsageError(
            f'{self.archive} holds no folder with wnids.txt and train: it is not Tiny ImageNet.'
        )

    def _unpack(self, entries, files):
        # Beside the target, so that the last step is a rename on one disk. A killed run leaves this
        # folder behind under its own name; the next run clears it.
        unfinished = self.target.with_name(f'.{self.TOP}.unfinished')
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            for name, inner in progress(files.items(), 'Unpacking', len(files)):
                path = unfinished.joinpath(*inner.parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(entries.read(name))
            unfinished.rename(self.target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

"""The Tiny ImageNet archive."""

import contextlib
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress

# what the standard library raises for an archive that is damaged or encrypted
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, ValueError, RuntimeError, OSError),
)


class Archive:
    """An open zip or tar archive of plain files and folders inside it, a context manager; what it is, its content says, not its suffix.

    Attributes:
        files: The entry of each file, by its path in the archive.
        size: Bytes of all files together, unpacked.

    Raises:
        UsageError: The file is missing, no archive, damaged, or holds an entry that would land outside the folder it is
            unpacked to, or is a link or a device.
    """

    def __init__(self, path):
        if not path.is_file():
            raise UsageError(f'{path} is not a file.')
        self.path = path
        # tar first: a tar whose last file is a zip would pass for a zip as well
        if tarfile.is_tarfile(path):
            kind, entries = tarfile.open, self._tar_entries
        elif zipfile.is_zipfile(path):
            kind, entries = zipfile.ZipFile, self._zip_entries
        else:
            raise UsageError(f'{path} is neither a zip nor a tar archive.')
        with self._damage_told():
            self._archive = kind(path)
        try:
            with self._damage_told():
                found = list(entries())
        except UsageError:
            self._archive.close()
            raise
        self.files = {inner: entry for inner, entry, _ in found}
        self.size = sum(size for _, _, size in found)

    def __enter__(self):
        """Return the opened archive."""
        return self

    def __exit__(self, *_):
        """Close the archive."""
        self._archive.close()

    def read(self, name):
        """Return one file's bytes; a UsageError where the archive is damaged or encrypted there."""
        with self._damage_told():
            if isinstance(self._archive, zipfile.ZipFile):
                return self._archive.read(self.files[name])
            return self._archive.extractfile(self.files[name]).read()

    def _zip_entries(self):
        for entry in self._archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            inner = self._inside(entry.orig_filename, plain)
            if not entry.is_dir():
                yield inner, entry, entry.file_size

    def _tar_entries(self):
        for entry in self._archive.getmembers():
            inner = self._inside(entry.name, entry.isfile() or entry.isdir())
            # the standard library's own judgement on top, where this Python has it
            if hasattr(tarfile, 'data_filter'):
                tarfile.data_filter(entry, str(self.path.parent))
            if entry.isfile():
                yield inner, entry, entry.size

    def _inside(self, name, plain):
        why = '' if plain else 'is a link or a device'
        # as strict as the strictest system: a backslash or a drive letter means a path on Windows
        path = PurePosixPath(name.replace('\\', '/'))
        if path.is_absolute() or '..' in path.parts or re.match('[A-Za-z]:', name) or '\0' in name:
            why = why or 'would land outside the target folder'
        if why:
            raise UsageError(f'{self.path} is refused: its entry {name!r} {why}.')
        return path

    @contextlib.contextmanager
    def _damage_told(self):
        try:
            yield
        except UsageError:
            raise
        except DAMAGE as error:
            raise UsageError(f'{self.path} is damaged: {error}.') from error


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
        with Archive(self.archive) as archive:
            files = self._files_below_top(archive.files)
            self.target.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.target.parent).free
            if archive.size > free:
                raise UsageError(
                    f'{self.archive} unpacks to {archive.size >> 20} MiB, but only '
                    f'{free >> 20} MiB are free in {self.target.parent}.'
                )
            # beside the target, so that the last step is a rename; the next run clears what a killed one leaves
            unfinished = self.target.with_name(f'.{self.TOP}.unfinished')
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                for name, inner in progress(files.items(), 'Unpacking', len(files)):
                    path = unfinished.joinpath(*inner.parts)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(name))
                unfinished.rename(self.target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return len(files)

    def classes(self):
        """Return the number of class folders that hold training pictures."""
        return sum(folder.is_dir() for folder in (self.target / 'train').iterdir())

    def _files_below_top(self, names):
        """Give each file's name and its path below the folder that holds wnids.txt and train, however deep that is."""
        # what a Mac adds: ._ files, .DS_Store, a folder __MACOSX
        hidden = ('.', '__MACOSX')
        names = [n for n in names if not any(p.startswith(hidden) for p in n.parts if p != '.')]
        tops = [name.parent for name in names if name.name == 'wnids.txt']
        for top in sorted(tops, key=lambda top: len(top.parts)):
            files = {name: name.relative_to(top) for name in names if top in name.parents}
            if any(path.parts[0] == 'train' for path in files.values()):
                return files
        raise UsageError(f'{self.archive} holds no folder with wnids.txt and train: it is not Tiny ImageNet.')

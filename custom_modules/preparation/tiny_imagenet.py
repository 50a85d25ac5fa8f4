"""The Tiny ImageNet archive."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

from custom_modules.utils.errors import UsageError
from custom_modules.utils.tables import progress

TOP = 'tiny-imagenet-200'
# what the standard library raises for an archive that is damaged or encrypted
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, ValueError, RuntimeError),
)


def unpack_tiny_imagenet(archive, out):
    """Unpack an archive to `<out>/tiny-imagenet-200`, all or nothing.

    It is a zip or tar file (also compressed) of the folder `tiny-imagenet-200`, of what is in it, or with folders
    around it. Returns the folder, and the number of files written: 0 when it is there already. Raises a UsageError if
    the archive is unsafe, damaged or not Tiny ImageNet, or the folder exists without being that.
    """
    archive, target = Path(archive), Path(out) / TOP
    if target.exists():
        if (target / 'wnids.txt').is_file() and (target / 'train').is_dir():
            return target, 0
        raise UsageError(f'{target} exists, but without wnids.txt and train: move it away first.')
    if not archive.is_file():
        raise UsageError(f'{archive} is not a file.')
    # beside the target, so that the last step is a rename; the next run clears what a killed one leaves
    unfinished = target.with_name(f'.{TOP}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _unpack(archive, unfinished)
        # what a Mac adds lies in __MACOSX, and begins with ._
        tops = sorted(path.parent for path in unfinished.rglob('wnids.txt') if (path.parent / 'train').is_dir())
        if not tops:
            raise UsageError(f'{archive} holds no folder with wnids.txt and train: it is not Tiny ImageNet.')
        tops[0].rename(target)
    except DAMAGE as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f'{archive} is damaged: {error}.') from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target, sum(path.is_file() for path in target.rglob('*'))


def _unpack(archive, folder):
    # tar first: a tar whose last file is a zip would pass for a zip as well; the content says what it is, not the suffix
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened:
            entries = opened.getmembers()
            for entry in entries:
                _require_inside(archive, entry.name, entry.isfile() or entry.isdir())
            # the standard library's own judgement on top, where this Python has it
            options = dict(filter='data') if hasattr(tarfile, 'data_filter') else {}
            for entry in progress(entries, 'Unpacking'):
                opened.extract(entry, folder, **options)
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            for entry in entries:
                kind = stat.S_IFMT(entry.external_attr >> 16)
                _require_inside(archive, entry.orig_filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            for entry in progress(entries, 'Unpacking'):
                opened.extract(entry, folder)
    else:
        raise UsageError(f'{archive} is neither a zip nor a tar archive.')


def _require_inside(archive, name, plain):
    if not plain:
        raise UsageError(f'{archive} is refused: its entry {name!r} is a link or a device.')
    # as strict as the strictest system: a backslash or a drive letter means a path on Windows
    parts = name.replace('\\', '/').split('/')
    if parts[0] == '' or '..' in parts or ':' in parts[0] or '\0' in name:
        raise UsageError(f'{archive} is refused: its entry {name!r} would land outside the target folder.')

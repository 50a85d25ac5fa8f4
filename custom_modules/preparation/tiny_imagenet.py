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
# raised by the standard library for damaged or encrypted archives
DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError,
)  # fmt: skip


def unpack_tiny_imagenet(archive, out):
    """Unpack a zip or tar archive (also compressed) to `<out>/tiny-imagenet-200`, atomically.

    The archive may hold the content of that folder, the folder itself, or other folders around it. Returns the folder and
    the number of files written, 0 if it exists already. Raises a UsageError if the archive is unsafe, damaged or not Tiny
    ImageNet, or the folder exists with other content.
    """
    archive, target = Path(archive), Path(out) / TOP
    if target.exists():
        if (target / 'wnids.txt').is_file() and (target / 'train').is_dir():
            return target, 0
        raise UsageError(f'{target} exists, but without wnids.txt and train: move it away first.')
    if not archive.is_file():
        raise UsageError(f'{archive} is not a file.')
    # beside the target, so that the last step is a rename; a killed run's remains are removed by the next one
    unfinished = target.with_name(f'.{TOP}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _unpack(archive, unfinished)
        # the copies that macOS adds, __MACOSX/.../._wnids.txt, do not match
        tops = sorted(path.parent for path in unfinished.rglob('wnids.txt') if (path.parent / 'train').is_dir())
        if not tops:
            raise UsageError(f'{archive} holds no folder with wnids.txt and train: it is not Tiny ImageNet.')
        tops[0].rename(target)
    except UsageError:
        raise
    except DAMAGE as error:
        raise UsageError(f'{archive} is damaged: {error}.') from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target, sum(path.is_file() for path in target.rglob('*'))


def _unpack(archive, folder):
    # by content, not by suffix; tar first, since a tar whose last file is a zip also passes for a zip
    is_tar = tarfile.is_tarfile(archive)
    if not is_tar and not zipfile.is_zipfile(archive):
        raise UsageError(f'{archive} is no whole zip or tar archive ({archive.stat().st_size:,} bytes): download it again.')
    with tarfile.open(archive) if is_tar else zipfile.ZipFile(archive) as opened:
        if is_tar:
            entries = [(entry, entry.name, entry.isfile() or entry.isdir()) for entry in opened.getmembers()]
        else:
            kinds = (0, stat.S_IFREG, stat.S_IFDIR)
            entries = [(e, e.orig_filename, stat.S_IFMT(e.external_attr >> 16) in kinds) for e in opened.infolist()]
        for _, name, is_file_or_folder in entries:
            if not is_file_or_folder:
                raise UsageError(f'{archive} is refused: its entry {name!r} is a link or a device.')
            # a backslash or a drive letter makes a path on Windows, wherever this runs
            parts = name.replace('\\', '/').split('/')
            if parts[0] == '' or '..' in parts or ':' in parts[0] or '\0' in name:
                raise UsageError(f'{archive} is refused: its entry {name!r} would land outside the target folder.')
        # also the standard library's own checks, where this Python has them
        options = dict(filter='data') if is_tar and hasattr(tarfile, 'data_filter') else {}
        for entry, *_ in progress(entries, 'Unpacking'):
            opened.extract(entry, folder, **options)

import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .decoded_samples import DecodedSamples
from .only_builder import only_builder
from .source_key import SourceKey

DAY = 24 * 60 * 60
# writes samples; asks the given function whether there is room
Write = Callable[[BinaryIO, Callable[[int], None]], None]


class CacheFolder:
    """Files of decoded samples that later runs find again.

    A file ``<title>-<name>-<state>.decoded`` is written under another name, which it drops when it is complete and on
    the disk: it is whole or not there. When it is made, older ones of the same name and of another state are removed,
    and what was left by processes that were ended.

    Args:
        folder (str or Path, optional): Where the files lie. By default ``lunar-rocks/decoded`` in ``$XDG_CACHE_HOME`` or
            ``~/.cache``.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        home = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
        self.folder = Path(folder or home / 'lunar-rocks' / 'decoded').expanduser().absolute()

    def path(self, title: str, key: SourceKey) -> Path:
        """Name a file.

        Args:
            title (str): Which data set, for a reader.
            key (SourceKey): What the samples are made of.
        """
        return self.folder / f'{self._stem(title, key)}{key.state[:16]}.decoded'

    def find(self, title: str, key: SourceKey) -> tuple[DecodedSamples | None, str]:
        """Open a file, if it is there and sound.

        Args:
            title (str): Which data set.
            key (SourceKey): What the samples are made of.

        Returns:
            tuple[DecodedSamples | None, str]: The samples, and what is wrong with the file, if it is there.
        """
        path = self.path(title, key)
        try:
            with path.open('rb') as file:
                return DecodedSamples(file, (key.name, key.state), str(path)), ''
        except ValueError as error:
            return None, str(error)
        except OSError:
            # it is not there; what else may be the matter shows when it is built
            return None, ''

    def build(self, title: str, key: SourceKey, write: Write) -> tuple[DecodedSamples, bool]:
        """Write a file, unless another process was faster.

        Args:
            title (str): Which data set.
            key (SourceKey): What the samples are made of.
            write (Callable): Writes the samples.

        Returns:
            tuple[DecodedSamples, bool]: The samples, and whether this process has written them.

        Raises:
            OSError: If the folder cannot be written, or is full; nothing is left there then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(title, key)
        with only_builder(path):
            found, _ = self.find(title, key)
            if found is None:
                self._remove_leftovers()
                self._write(path, write)
                found, _ = self.find(title, key)
                if found is None:
                    raise OSError(errno.EIO, 'what was written is not what is read', str(path))
                self._remove_older(title, key)
                return found, True
        return found, False

    def others(self, path: Path) -> tuple[int, int]:
        """Count the other files, and their bytes.

        Args:
            path (Path): The file that is in use.
        """
        sizes = [_size(other) for other in self.folder.glob('*.decoded') if other != path]
        return len(sizes), sum(sizes)

    def _stem(self, title: str, key: SourceKey) -> str:
        return f'{re.sub(r"[^A-Za-z0-9_]+", "_", title)}-{key.name[:16]}-'

    def _write(self, path: Path, write: Write) -> None:
        unfinished = path.with_name(f'.{path.name}.{socket.gethostname()}.{os.getpid()}.part')
        try:
            with unfinished.open('w+b') as file:
                write(file, self._require_room)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _require_room(self, nbytes: int) -> None:
        if nbytes > shutil.disk_usage(self.folder).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    def _remove_older(self, title: str, key: SourceKey) -> None:
        current = self.path(title, key)
        for other in self.folder.glob(f'{self._stem(title, key)}*.decoded'):
            if other != current:
                # a run that still reads it keeps its pages
                _remove(other)

    def _remove_leftovers(self) -> None:
        for part in self.folder.glob('.*.decoded.*.part'):
            host, process = part.name.split('.decoded.')[1].removesuffix('.part').rsplit('.', 1)
            gone = host == socket.gethostname() and not _runs(process)
            if gone or _age(part) > DAY:
                _remove(part)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0


def _remove(path: Path) -> None:
    # another process may have done it, and Windows keeps what is in use
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _runs(process: str) -> bool:
    # elsewhere os.kill would end it
    if os.name == 'nt' or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True

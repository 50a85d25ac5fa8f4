import os
import socket
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class RunLock:
    """Keeps other sweeps out of a work dir, by a file in it that is locked and names the process.

    The lock belongs to the open file: a training that inherits it holds it too, also when its sweep was killed. The system lifts it when
    the last of them has ended, so that what is left of dead processes is taken over. Where the file system has no locks, nobody is kept out.

    Args:
        folder (Path): The work dir.
    """

    NAME = 'sweep.lock'

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.NAME
        self._file = None

    def acquire(self) -> bool:
        """Take the lock; False if another process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = self.path.open('a+')
            if not _locked(file):
                file.close()
                return False
            if self._is_there(file):
                break
            # its holder removed it while this process waited to open it
            file.close()
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def fileno(self) -> int:
        """The open file, for a training to inherit."""
        return self._file.fileno()

    @property
    def holder(self) -> str:
        """Who holds it, in words."""
        try:
            return self.path.read_text(encoding='utf-8').strip() or 'another process'
        except OSError:
            return 'another process'

    def _is_there(self, file) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False


def _locked(file) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # no locks here: go on as if it were ours
        return True
    return True

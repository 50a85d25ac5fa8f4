import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .run_lock import RunLock


class Training:
    """A training in a process of its own, whose output goes to ``sweep.log`` in its work dir.

    Args:
        command (Sequence[str]): The command.
        folder (Path): The work dir.
        lock (RunLock): The work dir's lock, which the process inherits.
        environment (Mapping, optional): Its environment variables; this process's own by default.
    """

    LOG = 'sweep.log'

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        lock: RunLock,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = folder / self.LOG
        self.lock = lock
        with self.log.open('a', encoding='utf-8') as log:
            log.write(f'\n{time.strftime("%Y-%m-%d %H:%M:%S")} {" ".join(command)}\n')
            log.flush()
            self._start = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                # a Ctrl-C reaches it through the sweep alone, once
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    @property
    def last_line(self) -> str:
        """The last words of its output."""
        with self.log.open(encoding='utf-8', errors='replace') as file:
            file.seek(self._start)
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1] if lines else 'it said nothing'

    def interrupt(self) -> None:
        """Ask it to end, as a Ctrl-C does."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it and the processes that it started."""
        if self.exit_code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

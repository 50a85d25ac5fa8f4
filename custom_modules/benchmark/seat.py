import contextlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from custom_modules.utils.errors import UsageError

from .turn import NoTurnError, Turn


class Seat:
    """A process for one contestant, which does nothing until it is its turn.

    Contestants share neither memory nor state, so that each one's peak memory is its own and no library's
    global setting reaches another. They are started anew (``spawn``): a fork would inherit torch's threads.

    Args:
        play (Callable): Called there with a :class:`Turn` and ``args``; a function of a module.
        args (tuple): Plain values.
        log (Path): File that takes what it prints.
        threads (int): Torch's threads, the same for all contestants.

    Raises:
        UsageError: As the contestant, while it sets up.
        RuntimeError: If it dies.
    """

    start = staticmethod(multiprocessing.get_context('spawn').Process)

    def __init__(self, play: Callable, args: tuple, log: Path, threads: int) -> None:
        self._line, theirs = multiprocessing.Pipe()
        self._log = log
        parent = os.getpid()
        self._worker = self.start(
            target=_work, args=(theirs, play, args, str(log), threads, parent)
        )
        self._worker.start()
        self.facts = self._receive()

    def turn(self, command: str = 'go') -> dict:
        """Let the contestant have a turn.

        Args:
            command (str): ``'go'``, or ``'split'`` for a turn whose time does not count.

        Returns:
            dict: What it reported.
        """
        self._line.send(command)
        return self._receive()

    def close(self) -> None:
        """End the contestant, whatever it does."""
        # it may have ended
        with contextlib.suppress(OSError):
            self._line.send('stop')
        self._worker.join(20)
        if self._worker.is_alive() and hasattr(self._worker, 'terminate'):
            self._worker.terminate()
            self._worker.join()

    def _receive(self) -> dict:
        while not self._line.poll(0.5):
            if not self._worker.is_alive() and not self._line.poll(0):
                raise RuntimeError(f'a contestant ended without a word; it printed to {self._log}.')
        kind, content = self._line.recv()
        if kind == 'usage':
            raise UsageError(content)
        if kind == 'error':
            raise RuntimeError(f'a contestant failed:\n{content}')
        return content


def _work(
    line: Connection, play: Callable, args: tuple, log: str, threads: int, parent: int
) -> None:
    # tests seat their contestants in threads of one process
    if os.getpid() != parent:
        _print_to(log)
    torch.set_num_threads(threads)
    try:
        play(Turn(line), *args)
    except (NoTurnError, KeyboardInterrupt, EOFError):
        pass
    except UsageError as error:
        line.send(('usage', str(error)))
    except BaseException:
        line.send(('error', traceback.format_exc()))


def _print_to(path: str) -> None:
    """Print to a file, workers included: contestants that share a terminal would not be read."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)

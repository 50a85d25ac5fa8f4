"""Processes that a command starts, and how they end with it."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


def start_logged(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen:
    """Start a process that appends its command and what it prints to a file, whose folder is made.

    It has a session of its own: a Ctrl-C reaches it through its starter alone, once.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8') as file:
        file.write(f'\n{time.strftime("%Y-%m-%d %H:%M:%S")} {" ".join(command)}\n')
        file.flush()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def last_line(log: Path) -> str:
    """Read the last line of a file that is not blank; empty where there is none."""
    lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
    return next((line.strip() for line in reversed(lines) if line.strip()), '')


def stop_processes(
    processes: Sequence[subprocess.Popen],
    grace: float = 60,
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """End processes as a Ctrl-C does, and at once those that do not listen, with what they have started.

    Args:
        processes (Sequence[Popen]): The processes, each with a session of its own.
        grace (float): Seconds that they have to end by themselves. Defaults to 60.
        hurry (Callable): Whether to wait no longer.
    """
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + grace
    while running := [process for process in processes if process.poll() is None]:
        if time.monotonic() > deadline or hurry():
            for process in running:
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.05)


@contextlib.contextmanager
def collected_signals() -> Iterator[list[int]]:
    """Collect the signals that ask this process to end, instead of ending it at any place.

    Outside the main thread, which alone gets signals, none are collected.

    Yields:
        list[int]: Those that came: a Ctrl-C, a ``kill``, or a terminal that was closed.
    """
    got, before = [], {}
    main = threading.current_thread() is threading.main_thread()
    for name in ('SIGINT', 'SIGTERM', 'SIGHUP') if main else ():
        number = getattr(signal, name, None)
        # nohup: it is to go on when the terminal is closed
        if number and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda number, frame: got.append(number))
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

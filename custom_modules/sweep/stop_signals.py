import signal
import threading


class StopSignals:
    """Counts the signals that ask this process to end, instead of ending it at any place.

    Outside the main thread, which alone gets signals, it counts none.

    Attributes:
        count (int): How many there were: a Ctrl-C, a ``kill``, or a terminal that was closed.

    Example:
        >>> import os
        >>> with StopSignals() as stop:
        ...     os.kill(os.getpid(), signal.SIGINT)
        ...     stop.count
        1
    """

    SIGNALS = ('SIGINT', 'SIGTERM', 'SIGHUP')

    def __init__(self) -> None:
        self.count = 0
        self._before = {}

    def __enter__(self) -> 'StopSignals':
        main = threading.current_thread() is threading.main_thread()
        for name in self.SIGNALS if main else ():
            number = getattr(signal, name, None)
            # nohup: it is to go on when the terminal is closed
            if number is None or (name == 'SIGHUP' and signal.getsignal(number) is signal.SIG_IGN):
                continue
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number, frame) -> None:
        self.count += 1

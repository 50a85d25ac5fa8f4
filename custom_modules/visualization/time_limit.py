import signal
import threading


class TimeLimit:
    """Ends a block of code that takes too long with a ``TimeoutError``.

    Made for libraries that retry for minutes or for ever. It interrupts whatever blocks, through
    SIGALRM: in the main thread of Linux and macOS only, elsewhere there is no limit.

    Args:
        seconds (float): How long the block may take.

    Example:
        >>> import time
        >>> with TimeLimit(0.01):
        ...     time.sleep(60)
        Traceback (most recent call last):
        ...
        TimeoutError: no answer within 0.01 s
    """

    class _Over(BaseException):
        """No ``Exception``: retry loops take those for one more failure and go on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._before = None

    def __enter__(self) -> 'TimeLimit':
        """Set the alarm."""
        self.begin()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        """Stop the alarm.

        Raises:
            TimeoutError: If it had rung.
        """
        self.end()
        if kind is self._Over:
            raise TimeoutError(str(error)) from None

    def begin(self) -> None:
        """Set the alarm."""
        main = threading.current_thread() is threading.main_thread()
        if main and hasattr(signal, 'setitimer'):
            handler = signal.signal(signal.SIGALRM, self._interrupt)
            # again each second: a bare "except" may have swallowed the first
            self._before = signal.setitimer(signal.ITIMER_REAL, self.seconds, 1), handler

    def end(self) -> None:
        """Give the alarm back to whom it was before."""
        if self._before is not None:
            timer, handler = self._before
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)
            self._before = None

    def _interrupt(self, signum: int, frame) -> None:
        raise self._Over(f'no answer within {self.seconds:g} s')

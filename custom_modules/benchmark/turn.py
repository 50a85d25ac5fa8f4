from multiprocessing.connection import Connection


class NoTurnError(Exception):
    """There are no more turns."""


class Turn:
    """A contestant's end of the line: it waits for its turn, and reports what it did.

    Args:
        line (Connection): To the :class:`Seat`.
    """

    def __init__(self, line: Connection) -> None:
        self._line = line

    def wait(self) -> str:
        """Wait for the next turn.

        Returns:
            str: ``'go'``, or ``'split'`` for a turn whose time does not count.

        Raises:
            NoTurnError: If there is none.
        """
        command = self._line.recv()
        if command == 'stop':
            raise NoTurnError
        return command

    def report(self, result: dict) -> None:
        """Report a turn, or at first what the contestant is.

        Args:
            result (dict): Plain values.
        """
        self._line.send(('done', result))

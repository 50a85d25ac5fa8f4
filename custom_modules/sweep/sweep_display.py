import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .run_outcome import RunOutcome


class SweepDisplay:
    """Shows a sweep: a line whenever a run begins or ends and, on a terminal, one for each run that is in progress.

    Args:
        count (int): The number of runs.
        every (float): Seconds between two looks into the logs of those that are in progress. Defaults to 2.
    """

    def __init__(self, count: int, every: float = 2.0) -> None:
        self._count, self._every, self._looked = count, every, 0.0
        self._ended = set()
        self._console = Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)

    def __enter__(self) -> 'SweepDisplay':
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def tell(self, outcome: RunOutcome) -> None:
        """Print a run's line.

        Args:
            outcome (RunOutcome): How far it is.
        """
        if outcome.state not in ('waits', 'runs'):
            self._ended.add(outcome.run.folder)
        self._console.print(Text(f'[{len(self._ended)}/{self._count}] {outcome.line}'))

    def watch(self, outcomes: list[RunOutcome]) -> None:
        """Renew the lines of those that are in progress.

        Args:
            outcomes (list[RunOutcome]): How far they are.
        """
        if not self._console.is_terminal or time.monotonic() - self._looked < self._every:
            return
        self._looked = time.monotonic()
        for outcome in outcomes:
            outcome.refresh()
        lines = Text('\n'.join(outcome.line for outcome in outcomes), no_wrap=True)
        self._live.update(lines, refresh=True)

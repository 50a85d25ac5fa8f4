import time
from dataclasses import dataclass

from custom_modules.reporting.runs import read_scalars

from .planned_run import PlannedRun


@dataclass
class RunOutcome:
    """How far a run of a sweep is.

    Attributes:
        run (PlannedRun): The run.
        state (str): ``'waits'``, ``'runs'``, ``'finished'``, ``'failed'`` or ``'interrupted'``.
        note (str): What is to be said of it.
        began (float, optional): When this sweep started it, on the clock of ``time.monotonic``.
        minutes (float, optional): How long this sweep was busy with it.
        epoch (int): The last epoch that was logged.
        best (float, optional): The best score so far.
    """

    run: PlannedRun
    state: str = 'waits'
    note: str = ''
    began: float | None = None
    minutes: float | None = None
    epoch: int = 0
    best: float | None = None

    def refresh(self) -> None:
        """Read time, epoch and best score anew."""
        if self.began is not None:
            self.minutes = (time.monotonic() - self.began) / 60
        try:
            train, val = read_scalars(self.run.folder)
        except (OSError, ValueError, KeyError):
            # a log that is just being written
            return
        self.epoch = int(max([0, *train.index, *val.index]))
        if self.run.score in val and val[self.run.score].notna().any():
            scores = val[self.run.score]
            self.best = float(scores.min() if self.run.less_is_better else scores.max())

    @property
    def line(self) -> str:
        """The run in one line."""
        parts = [f'{self.state}', f'epoch {self.epoch} of {self.run.epochs}']
        if self.best is not None:
            parts.append(f'best {self.run.score} {self.best:.2f}')
        if self.minutes is not None:
            parts.append(f'{self.minutes:.1f} min')
        if self.note:
            parts.append(self.note)
        return f'{self.run.title}: {", ".join(parts)}'

import time
from collections.abc import Callable, Mapping, Sequence

from .move_aside import move_aside
from .planned_run import PlannedRun
from .run_lock import RunLock
from .run_outcome import RunOutcome
from .run_record import RunRecord
from .stop_signals import StopSignals
from .training import Training

FAILED = 'sweep_failed.txt'


class Sweep:
    """Runs planned trainings, some of them side by side; a crash of one does not end the others.

    What is finished is skipped, what was interrupted goes on from its last checkpoint. Several sweeps on one folder share the
    work: each run has a lock, and who finds it taken does another one first.

    Args:
        runs (Sequence[PlannedRun]): The trainings, in their order.
        command (Callable): Gives a run's command line.
        jobs (int): How many run side by side. Defaults to 1.
        environment (Mapping, optional): Environment variables of the trainings; this process's own by default.
        rerun (bool): Whether runs whose config has changed are done anew; the old is moved aside. Defaults to False.
        tell (Callable): Is given each run's :class:`RunOutcome` when its state changes.
        watch (Callable): Is given those that run, again and again.
        pause (float): Seconds between two looks at the processes. Defaults to 0.2.
        grace (float): Seconds that an interrupted training has to end by itself. Defaults to 60.

    Attributes:
        outcomes (list[RunOutcome]): How far each run is.
    """

    def __init__(
        self,
        runs: Sequence[PlannedRun],
        command: Callable[[PlannedRun], Sequence[str]],
        jobs: int = 1,
        environment: Mapping[str, str] | None = None,
        rerun: bool = False,
        tell: Callable[[RunOutcome], None] = lambda outcome: None,
        watch: Callable[[list[RunOutcome]], None] = lambda outcomes: None,
        pause: float = 0.2,
        grace: float = 60,
    ) -> None:
        self.outcomes = [RunOutcome(run) for run in runs]
        self._command, self._jobs, self._environment = command, jobs, environment
        self._rerun, self._tell, self._watch = rerun, tell, watch
        self._pause, self._grace = pause, grace
        self._trainings: dict[int, Training] = {}
        self._began = time.time()

    def run(self) -> bool:
        """Run them.

        Returns:
            bool: Whether it came to its end; False if it was asked to stop (Ctrl-C), which ends the trainings too.
        """
        with StopSignals() as stop:
            try:
                while not stop.count and any(
                    outcome.state in ('waits', 'runs') for outcome in self.outcomes
                ):
                    self._collect()
                    self._fill_seats(stop)
                    self._watch([o for o in self.outcomes if o.state == 'runs'])
                    time.sleep(self._pause)
            finally:
                # an error of its own leaves no training behind either
                self._end(stop)
        return not any(outcome.state in ('waits', 'interrupted') for outcome in self.outcomes)

    def _fill_seats(self, stop: StopSignals) -> None:
        for number, outcome in enumerate(self.outcomes):
            if outcome.state != 'waits':
                continue
            if len(self._trainings) >= self._jobs or stop.count:
                return
            lock = RunLock(outcome.run.folder)
            if not lock.acquire():
                if not outcome.note:
                    outcome.note = f'left to {lock.holder}, which is at it'
                    self._tell(outcome)
                continue
            outcome.note = ''
            if not self._start(number, outcome, lock):
                lock.release()
                self._tell(outcome)

    def _start(self, number: int, outcome: RunOutcome, lock: RunLock) -> bool:
        """Start a run whose lock is ours, if there is something to do."""
        run, record = outcome.run, RunRecord.of(outcome.run)
        if record.state == 'changed' and self._rerun:
            outcome.note = f'the old run is now in {move_aside(run.folder)}'
            record = RunRecord.of(run)
        failed = run.folder / FAILED
        if record.state in ('finished', 'changed'):
            outcome.refresh()
            outcome.state = 'finished' if record.state == 'finished' else 'failed'
            outcome.note = (
                'was there' if record.state == 'finished' else f'other config: {record.detail}'
            )
            return False
        if failed.is_file() and failed.stat().st_mtime >= self._began:
            # another sweep tried it meanwhile
            outcome.state, outcome.note = 'failed', failed.read_text(encoding='utf-8')
            return False
        failed.unlink(missing_ok=True)
        if record.state == 'unfinished' and run.resumable:
            outcome.note = f'goes on ({record.detail})'
        outcome.state, outcome.began = 'runs', time.monotonic()
        self._trainings[number] = Training(self._command(run), run.folder, lock, self._environment)
        outcome.refresh()
        self._tell(outcome)
        outcome.note = ''
        return True

    def _collect(self) -> None:
        for number, training in list(self._trainings.items()):
            if training.exit_code is not None:
                self._close(number, training)

    def _close(self, number: int, training: Training, interrupted: bool = False) -> None:
        outcome, code = self.outcomes[number], training.exit_code
        outcome.refresh()
        record = RunRecord.of(outcome.run)
        # its own record counts: it may have ended in the very moment of the Ctrl-C
        if record.state == 'finished':
            outcome.state, outcome.note = 'finished', f'exit code {code}' if code else ''
        elif interrupted:
            outcome.state = 'interrupted'
        else:
            why = training.last_line if code else f'it ended too early: {record.detail}'
            outcome.state, outcome.note = 'failed', f'exit code {code}: {why} ({training.log})'
            (outcome.run.folder / FAILED).write_text(outcome.note, encoding='utf-8')
        training.lock.release()
        del self._trainings[number]
        self._tell(outcome)

    def _end(self, stop: StopSignals) -> None:
        """End what still runs: kindly, and after a while, or a second Ctrl-C, at once."""
        for training in self._trainings.values():
            training.interrupt()
        asked, deadline = stop.count, time.monotonic() + self._grace
        while self._trainings:
            for number, training in list(self._trainings.items()):
                if time.monotonic() > deadline or stop.count > max(asked, 1):
                    training.kill()
                if training.exit_code is not None:
                    self._close(number, training, interrupted=True)
            time.sleep(self._pause)

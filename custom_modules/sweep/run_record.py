from dataclasses import dataclass

from custom_modules.reporting.runs import RunFolder, run_config
from custom_modules.utils.errors import UsageError

from .config_differences import config_differences
from .planned_run import PlannedRun


@dataclass(frozen=True)
class RunRecord:
    """What a work dir says of a run that is planned for it.

    Attributes:
        state (str): ``'new'``: nothing is there that would be lost; ``'unfinished'``: it can go on; ``'finished'``: by its own
            log it reached its last epoch or was stopped early; ``'changed'``: something else lies there.
        detail (str): What is missing, or what differs.
    """

    state: str
    detail: str = ''

    @classmethod
    def of(cls, run: PlannedRun) -> 'RunRecord':
        """Look into the run's work dir.

        Args:
            run (PlannedRun): The run.
        """
        # without weights there is nothing to go on from, and nothing to lose
        if not any(run.folder.glob('*.pth')):
            return cls('new')
        try:
            _, cfg = run_config(run.folder)
        except UsageError as error:
            return cls('changed', str(error))
        differences = config_differences(cfg, run.cfg)
        if differences:
            return cls('changed', differences)
        try:
            found = RunFolder(run.folder)
        except UsageError:
            return cls('unfinished', 'no epoch in its log')
        missing = found.gap or _missing_checkpoint(found, run)
        return cls('unfinished', missing) if missing else cls('finished')


def _missing_checkpoint(found: RunFolder, run: PlannedRun) -> str | None:
    """An epoch is logged before its checkpoint is written: the last one may lack it, and with it the best score."""
    pointer = run.folder / 'last_checkpoint'
    # where it was stopped early, the last epochs were not the best
    if found.epochs < run.epochs or not pointer.is_file():
        return None
    name = pointer.read_text(encoding='utf-8').strip().split('/')[-1]
    digits = name.removeprefix('epoch_').removesuffix('.pth')
    if not digits.isdecimal() or int(digits) >= run.epochs:
        return None
    return f'the checkpoint of epoch {run.epochs} was not written'

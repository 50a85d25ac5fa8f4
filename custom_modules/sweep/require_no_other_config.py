from collections.abc import Iterable

from custom_modules.utils.errors import UsageError

from .planned_run import PlannedRun
from .run_record import RunRecord


def require_no_other_config(records: Iterable[tuple[PlannedRun, RunRecord]]) -> None:
    """Refuse a sweep over work dirs that hold runs of other configs: they would be taken for this one's, or be lost.

    Args:
        records (Iterable[tuple[PlannedRun, RunRecord]]): The runs, with what their work dirs say.

    Raises:
        UsageError: With what differs in the first of them.
    """
    changed = [(run, record) for run, record in records if record.state == 'changed']
    if changed:
        run, record = changed[0]
        more = f' (and {len(changed) - 1} more work dirs)' if len(changed) > 1 else ''
        raise UsageError(
            f'{run.folder}{more} holds a run of another config, in which {record.detail}: write elsewhere with --work-dir, or add '
            '--rerun, which moves the old one aside and trains anew.'
        )

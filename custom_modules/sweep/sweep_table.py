from collections.abc import Iterable

from custom_modules.utils.tables import text_table

from .run_outcome import RunOutcome


def sweep_table(title: str, outcomes: Iterable[RunOutcome]) -> str:
    """Lay out the runs of a sweep, those of one config together.

    Args:
        title (str): One line above the table.
        outcomes (Iterable[RunOutcome]): How far each run is.
    """
    order = {}
    outcomes = list(outcomes)
    for outcome in outcomes:
        order.setdefault(outcome.run.name, len(order))
    outcomes.sort(key=lambda outcome: order[outcome.run.name])
    return text_table(
        title,
        ['config', 'seed', 'state', 'epoch', 'score', 'best', 'minutes', 'note'],
        [
            [
                outcome.run.name,
                outcome.run.seed,
                outcome.state,
                f'{outcome.epoch}/{outcome.run.epochs}',
                outcome.run.score or '-',
                outcome.best,
                None if outcome.minutes is None else f'{outcome.minutes:.1f}',
                outcome.note,
            ]
            for outcome in outcomes
        ],
    )

import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def text_table(title: str, columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Lay out a table as plain text, for a log: no colours, no width that depends on the terminal.

    Args:
        title (str): One line above the table.
        columns (Sequence[str]): The heads.
        rows (Iterable[Sequence]): The cells: words stand at the left, numbers at the right, a float has two
            decimals, None is a dash.

    Example:
        >>> print(text_table('Scores', ['class', 'F1'], [['rock', 50.0], ['sky', None]]))
        Scores
        | class |    F1 |
        |-------|-------|
        | rock  | 50.00 |
        | sky   |     - |
    """
    table = Table(box=box.MARKDOWN)
    rows = list(rows)
    for i, column in enumerate(columns):
        words = any(isinstance(row[i], str) for row in rows)
        table.add_column(column, justify='left' if words else 'right', no_wrap=True)
    for row in rows:
        table.add_row(*map(_cell, row))
    # names are data: a class called [red] is no colour
    console = Console(file=io.StringIO(), width=10_000, markup=False, emoji=False)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    return '\n'.join([title, *(line.strip() for line in lines if line.strip())])


def _cell(value) -> str:
    if value is None:
        return '-'
    return f'{value:.2f}' if isinstance(value, float) else str(value)

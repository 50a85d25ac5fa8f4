"""Tables as text, values for JSON, progress bars, and a thread pool for reading files."""

import io
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import length_hint
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


LINE_EVERY = 300  # seconds between two lines of progress in a log file


def progress(items: Iterable, label: str, total: int | None = None) -> Iterable:
    """Iterate with a progress bar on stderr, or in a log file a line every five minutes; ``total`` if the items have no length."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, label, total, console=console, transient=True)
        return
    next_line = time.monotonic() + LINE_EVERY
    for done, item in enumerate(items):
        if time.monotonic() > next_line:
            next_line = time.monotonic() + LINE_EVERY
            print(f'{label}: {done:,} of {total or length_hint(items):,}', file=sys.stderr, flush=True)
        yield item


def in_threads(function: Callable, items: Collection, label: str = '') -> list:
    """Map a function over items in threads, with a progress bar if there is a label; Ctrl-C cancels the items not yet begun.

    For reading and decoding files, which release the interpreter's lock.
    """
    pool = ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 4))
    try:
        results = pool.map(function, items)
        return list(progress(results, label, len(items)) if label else results)
    finally:
        pool.shutdown(cancel_futures=True)


def text_table(title: str, columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Format a table as plain text under a title, for a log: without colours, and of the same width on any terminal.

    Text is aligned left, numbers right; floats have two decimals, None is a dash.

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
        cells = ['-' if cell is None else cell for cell in row]
        table.add_row(*(f'{cell:.2f}' if isinstance(cell, float) else str(cell) for cell in cells))
    # no markup: a class may be called [red]
    console = Console(file=io.StringIO(), width=10_000, markup=False, emoji=False)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    return '\n'.join([title, *(line.strip() for line in lines if line.strip())])


def json_values(value):
    """Convert arrays, pandas tables (to lists of rows), dicts, lists and plain values for JSON; nan and infinity become None.

    Example:
        >>> json_values(dict(a=np.float32(0.5), b=np.array([1, 2]), c=[np.nan]))
        {'a': 0.5, 'b': [1, 2], 'c': [None]}
    """
    if hasattr(value, 'to_dict'):
        return json_values(value.to_dict('records'))
    if isinstance(value, Mapping):
        return {name: json_values(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown_table(table: 'pd.DataFrame', heads: dict[str, str] | None = None) -> str:
    r"""Format a table in Markdown; nan becomes a dash, and ``heads`` renames columns.

    Example:
        >>> import pandas as pd
        >>> print(markdown_table(pd.DataFrame({'class': ['a|b'], 'Dice': [50.0]})))
        | class |  Dice |
        |-------|-------|
        | a\|b  | 50.00 |
    """
    names = [(heads or {}).get(name, name) for name in table.columns]
    return markdown_rows(names, (row.values() for row in json_values(table)))


def markdown_rows(columns: Sequence[str], rows: Iterable[Iterable]) -> str:
    """Format rows as :func:`text_table`, in Markdown, where ``|`` in a cell is escaped."""
    table = [[cell.replace('|', r'\|') if isinstance(cell, str) else cell for cell in row] for row in (columns, *rows)]
    # without the first line, the title
    return text_table('', table[0], table[1:]).split('\n', 1)[1]

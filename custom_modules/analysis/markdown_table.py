import pandas as pd

from custom_modules.evaluation.text_table import text_table

from .plain_values import plain_values


def markdown_table(table: pd.DataFrame, heads: dict[str, str] | None = None) -> str:
    r"""Lay out a table in Markdown.

    Args:
        table (pd.DataFrame): The table; what is nan becomes a dash.
        heads (dict[str, str], optional): What to call which column.

    Example:
        >>> print(markdown_table(pd.DataFrame({'class': ['a|b'], 'Dice': [50.0]})))
        | class |  Dice |
        |-------|-------|
        | a\|b  | 50.00 |
    """
    rows = [list(row.values()) for row in plain_values(table)]
    cells = [[c.replace('|', r'\|') if isinstance(c, str) else c for c in row] for row in rows]
    names = [(heads or {}).get(name, name).replace('|', r'\|') for name in table.columns]
    # its first line is the title
    return text_table('', names, cells).split('\n', 1)[1]

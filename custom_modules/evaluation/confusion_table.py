from collections.abc import Sequence

import numpy as np

from .text_table import text_table

MOST = 20


def confusion_table(
    counts: Sequence[Sequence[int]], shares: Sequence[Sequence[float | None]], names: Sequence[str]
) -> str:
    """Lay out a confusion matrix as text: whole up to 20 classes, else its 20 most frequent confusions.

    Args:
        counts (Sequence[Sequence[int]]): Images by true class (row) and predicted class (column).
        shares (Sequence[Sequence[float | None]]): The same in percent of the row; None in an empty row.
        names (Sequence[str]): Name of each class.

    Example:
        >>> print(confusion_table([[3, 1], [0, 0]], [[75.0, 25.0], [None, None]], ['cat', 'dog']))
        Confusion matrix (% of each row): true classes down, predicted ones across
        |       |  0 |  1 |
        |-------|----|----|
        | 0 cat | 75 | 25 |
        | 1 dog |  - |  - |
    """
    if len(names) <= MOST:
        title = 'Confusion matrix (% of each row): true classes down, predicted ones across'
        rows = [
            [f'{i} {name}', *(None if share is None else round(share) for share in shares[i])]
            for i, name in enumerate(names)
        ]
        return text_table(title, ['', *map(str, range(len(names)))], rows)
    wrong = np.array(counts)
    np.fill_diagonal(wrong, 0)
    pairs = np.argwhere(wrong)
    # stable: the order of classes decides between equals
    most = sorted(pairs.tolist(), key=lambda pair: -wrong[tuple(pair)])[:MOST]
    rows = [[names[i], names[j], counts[i][j], shares[i][j]] for i, j in most]
    heads = ('true class', 'predicted class', 'images', '% of the true class')
    return text_table(f'The {MOST} most frequent confusions', heads, rows)

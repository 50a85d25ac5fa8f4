from collections.abc import Sequence

import numpy as np


def best_median_worst(scores: Sequence[float], count: int) -> dict[str, list[tuple[int, int]]]:
    """Choose the best, the middle and the worst of a ranking, each at most once.

    Args:
        scores (Sequence[float]): A score of each image, the more the better; those of nan are not ranked.
        count (int): How many of each kind. Fewer than three times as many scores are shared out.

    Returns:
        dict[str, list[tuple[int, int]]]: Under ``best``, ``median`` and ``worst`` rank (from 1) and index in ``scores``,
        in the order of the ranks. Of equal scores the earlier is the better.

    Example:
        >>> best_median_worst([10, 50, float('nan'), 30, 20, 40], 1)
        {'best': [(1, 1)], 'median': [(3, 3)], 'worst': [(5, 0)]}
        >>> best_median_worst([10, 50], 5)
        {'best': [(1, 1)], 'median': [], 'worst': [(2, 0)]}
    """
    scores = np.asarray(scores, float)
    order = [int(i) for i in np.argsort(-scores, kind='stable') if np.isfinite(scores[i])]
    ranked = list(enumerate(order, start=1))
    edge = min(count, max((len(ranked) + 1) // 3, 1))
    rest = ranked[edge : len(ranked) - edge]
    begin = max(len(rest) - count, 0) // 2
    return dict(
        best=ranked[:edge],
        median=rest[begin : begin + count],
        worst=ranked[edge:][-edge:],
    )

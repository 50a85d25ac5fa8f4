from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST = 10


def frequent_confusions(confusion: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Name what is most often taken for what.

    Args:
        confusion (np.ndarray): Pixels (classes, classes), rows the true classes, columns the predicted ones.
        classes (Sequence[str]): Names of the classes.

    Returns:
        pd.DataFrame: The ten pairs with the most pixels: ``true``, ``predicted``, ``pixels``, ``share`` (percent of the true class)
        and ``words``, a sentence.

    Example:
        >>> frequent_confusions(np.array([[8, 2], [3, 1]]), ('ground', 'rock')).words[0]
        '75.0 % of rock is taken for ground (3 pixels)'
    """
    wrong = np.array(confusion)
    np.fill_diagonal(wrong, 0)
    # stable: the order of classes decides between equals
    pairs = sorted(np.argwhere(wrong).tolist(), key=lambda pair: -wrong[tuple(pair)])[:MOST]
    rows = []
    for true, predicted in pairs:
        pixels = int(wrong[true, predicted])
        share = 100 * pixels / int(np.sum(confusion[true]))
        names = dict(true=classes[true], predicted=classes[predicted])
        words = '{:.1f} % of {true} is taken for {predicted} ({} pixels)'
        rows.append(
            dict(**names, pixels=pixels, share=share, words=words.format(share, pixels, **names))
        )
    return pd.DataFrame(rows, columns=['true', 'predicted', 'pixels', 'share', 'words'])

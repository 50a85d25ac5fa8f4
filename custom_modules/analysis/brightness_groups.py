from collections.abc import Sequence

import numpy as np
import pandas as pd

from custom_modules.evaluation.confusion_scores import ConfusionScores

GROUPS = 4


def brightness_groups(
    brightness: Sequence[float], confusions: Sequence[np.ndarray], classes: Sequence[str]
) -> pd.DataFrame:
    """Score the darkest quarter of the images, the next one, ... to the brightest.

    Args:
        brightness (Sequence[float]): Mean brightness of each image, 0 to 255.
        confusions (Sequence[np.ndarray]): Confusion matrix of each image.
        classes (Sequence[str]): Names of the classes, the background first.

    Returns:
        pd.DataFrame: Per ``class`` (but the background) and quarter: ``brightness`` (its range), ``images``, and in percent, over
        the pixels of its images together, ``Dice``, ``precision`` and ``recall``. Fewer than four images: one each.
    """
    order = np.argsort(brightness, kind='stable')
    quarters = np.array_split(order, min(GROUPS, len(order)))
    rows = []
    for index, name in enumerate(classes[1:], start=1):
        for quarter in quarters:
            low, high = brightness[quarter[0]], brightness[quarter[-1]]
            scores = ConfusionScores(sum(confusions[i] for i in quarter)).by_class()
            own = {score: float(scores[score][index]) for score in ('Dice', 'precision', 'recall')}
            rows.append(
                {
                    'class': name,
                    'brightness': f'{low:.1f}-{high:.1f}',
                    'images': len(quarter),
                    **own,
                }
            )
    return pd.DataFrame(rows)

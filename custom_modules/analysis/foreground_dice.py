from collections.abc import Sequence

import numpy as np

from custom_modules.evaluation.confusion_scores import ConfusionScores


def foreground_dice(scores: ConfusionScores) -> float:
    """Average the Dice of the classes but the background: what images are ranked by.

    Args:
        scores (ConfusionScores): Of one image.

    Returns:
        float: Percent, the mean over the classes that are there or predicted; nan if there are none. With two classes
        it is the Dice of class 1.

    Example:
        >>> foreground_dice(ConfusionScores(np.array([[9, 0, 0], [0, 2, 1], [0, 1, 0]]))).__round__(2)
        33.33
    """
    dice = scores.dice[1:]
    return float(np.nanmean(dice)) if np.isfinite(dice).any() else float('nan')


def foreground_dice_name(classes: Sequence[str]) -> str:
    """Say what :func:`foreground_dice` is.

    Args:
        classes (Sequence[str]): Names of the classes, the background first.

    Example:
        >>> foreground_dice_name(('ground', 'rock'))
        'rock Dice'
    """
    return f'{classes[1]} Dice' if len(classes) == 2 else f'mDice without {classes[0]}'

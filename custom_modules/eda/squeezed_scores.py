from collections.abc import Sequence

import numpy as np


def squeezed_scores(overlap: np.ndarray, classes: Sequence[str]) -> dict:
    """Score true masks that were squeezed and stretched back, as if they were predictions.

    As in mmseg, pixels of all masks are counted together.

    Args:
        overlap (np.ndarray): For each class (classes, 3) the pixels that are right, predicted and true.
        classes (Sequence[str]): Names of the classes.

    Returns:
        dict: ``classes`` with ``name``, ``dice`` and ``iou`` of every class, and their means ``mDice`` and ``mIoU``;
        in percent, None where there is no pixel.

    Example:
        >>> squeezed_scores(np.array([[6, 8, 6], [2, 2, 4]]), ['ground', 'rock'])['classes'][1]['dice']
        66.66666666666667
    """
    rows = []
    for name, (right, predicted, true) in zip(classes, overlap.tolist(), strict=True):
        union = predicted + true - right
        dice, iou = (
            (200 * right / (predicted + true), 100 * right / union) if union else (None, None)
        )
        rows.append(dict(name=name, dice=dice, iou=iou))
    means = {}
    for mean, key in (('mDice', 'dice'), ('mIoU', 'iou')):
        known = [row[key] for row in rows if row[key] is not None]
        means[mean] = sum(known) / len(known) if known else None
    return dict(classes=rows, **means)

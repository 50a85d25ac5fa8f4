import cv2
import numpy as np

from custom_modules.visualization.error_map import error_map
from custom_modules.visualization.overlay import overlay

from .comparison import Comparison


def gallery(comparison: Comparison) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Put the same images side by side for every model: input, truth, then each model's errors.

    Each arm is shown by its first run. A caption says the image's own score.

    Args:
        comparison (Comparison): The runs.

    Returns:
        dict[str, list[tuple[str, np.ndarray]]]: For each image its captioned RGB pictures (H, W, 3).
    """
    first = comparison.arms[0].first
    rows = {}
    for index, kept in enumerate(first.kept):
        image, name = kept.image, kept.name if kept.name not in rows else f'{kept.name} ({index})'
        cells = [('input', image), ('truth', overlay(image, kept.truth, first.palette))]
        for arm, label in zip(comparison.arms, comparison.labels(), strict=True):
            prediction = arm.first.kept[index]
            score = prediction.scores.named(first.classes)[comparison.score]
            # nan: neither there nor predicted
            own = 'nothing to find' if score != score else f'{comparison.score} {score:.1f}'
            errors = error_map(image, prediction.truth, prediction.predicted)
            cells.append((f'{label}\n{own}', errors))
        rows[name] = cells
    return rows


def png(picture: np.ndarray) -> bytes:
    """Encode an RGB picture (H, W, 3) as PNG."""
    return cv2.imencode('.png', picture[..., ::-1])[1].tobytes()

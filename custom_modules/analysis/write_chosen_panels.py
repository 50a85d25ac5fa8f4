from collections.abc import Sequence
from pathlib import Path

import numpy as np

from custom_modules.evaluation.checkpoint_predictions import CheckpointPredictions
from custom_modules.visualization.prediction_panel import PredictionPanel
from custom_modules.visualization.write_picture import write_picture

from .chosen_images import image_paths
from .chosen_predictions import chosen_predictions
from .find_images import find_images
from .foreground_dice import foreground_dice, foreground_dice_name


def write_chosen_panels(
    predictions: CheckpointPredictions, names: Sequence[str], part: str, folder: Path
) -> list[str]:
    """Draw images that a user has named, each on its own.

    Args:
        predictions (CheckpointPredictions): Model and data.
        names (Sequence[str]): Of :func:`find_images`.
        part (str): What to call the data set.
        folder (Path): Where to; it is made.

    Returns:
        list[str]: What there is to say: each image's score.

    Raises:
        UsageError: If there is no such image.
    """
    found = find_images(names, image_paths(predictions.loader.dataset), part)
    panel = PredictionPanel(predictions.classes, predictions.palette)
    lines = []
    for number, (what, prediction) in enumerate(
        zip(found, chosen_predictions(predictions, found), strict=True), start=1
    ):
        write_picture(panel.draw(prediction), folder / f'{number:02d}_{prediction.name}.png')
        dice = foreground_dice(prediction.scores)
        score = (
            f'{foreground_dice_name(predictions.classes)} {dice:.2f}'
            if np.isfinite(dice)
            else 'no Dice'
        )
        lines.append(f'{prediction.name}: {"without truth" if isinstance(what, Path) else score}')
    return lines

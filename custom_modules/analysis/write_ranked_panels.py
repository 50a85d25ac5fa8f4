from pathlib import Path

import numpy as np

from custom_modules.datasets.find_files import first_five
from custom_modules.evaluation.checkpoint_predictions import CheckpointPredictions
from custom_modules.usage_error import UsageError
from custom_modules.visualization.contact_sheet import contact_sheet
from custom_modules.visualization.prediction_panel import PredictionPanel
from custom_modules.visualization.write_picture import write_picture

from .best_median_worst import best_median_worst
from .chosen_images import image_paths
from .chosen_predictions import chosen_predictions
from .foreground_dice import foreground_dice, foreground_dice_name

SHEET = 'contact_sheet.png'
SMALL = 220


def write_ranked_panels(predictions: CheckpointPredictions, count: int, folder: Path) -> list[str]:
    """Draw the best, the median and the worst images, each on its own and all on one sheet.

    Args:
        predictions (CheckpointPredictions): Model and data. All images are predicted once to rank them, and those that are
            drawn once more: a large set needs no large memory.
        count (int): How many of each kind.
        folder (Path): Where to; it is made.

    Returns:
        list[str]: What there is to say: the range of the scores, and which images have none.

    Raises:
        UsageError: If no image has a Dice.
    """
    ranked = [(p.img_path, p.name, foreground_dice(p.scores)) for p in predictions]
    dice = [score for _, _, score in ranked]
    if not np.isfinite(dice).any():
        raise UsageError(
            f'none of the {len(dice)} images has an object, true or predicted, so that they cannot be ranked: choose '
            'with --images.'
        )
    kinds = best_median_worst(dice, count)
    index_of = {path: index for index, path in enumerate(image_paths(predictions.loader.dataset))}
    chosen = [(kind, rank, ranked[i]) for kind, pairs in kinds.items() for rank, i in pairs]
    drawn = chosen_predictions(predictions, [index_of[image[0]] for _, _, image in chosen])
    large, small = (
        PredictionPanel(predictions.classes, predictions.palette, **side)
        for side in ({}, dict(side=SMALL))
    )
    columns: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    total = int(np.isfinite(dice).sum())
    for (kind, rank, (_, name, score)), prediction in zip(chosen, drawn, strict=True):
        place = f'{kind}_rank{rank:0{len(str(total))}d}_dice{score:.2f}_{name}'
        write_picture(
            large.draw(prediction, f'{kind}, rank {rank} of {total}:'), folder / f'{place}.png'
        )
        columns[kind].append(small.draw(prediction, f'{rank}.', legend=False))
    write_picture(contact_sheet(columns, large.legend()), folder / SHEET)
    what = foreground_dice_name(predictions.classes)
    best, worst = chosen[0], max(chosen, key=lambda one: one[1])
    lines = [
        f'{total} images ranked by {what}: best {best[2][2]:.2f} ({best[2][1]}), median '
        f'{np.nanmedian(dice):.2f}, worst {worst[2][2]:.2f} ({worst[2][1]})'
    ]
    aside = [name for _, name, score in ranked if not np.isfinite(score)]
    if aside:
        lines.append(
            f'{len(aside)} images are not ranked, since nothing is there and nothing predicted: {first_five(aside)}'
        )
    return [*lines, f'{len(chosen)} panels, and all of them in {SHEET}']

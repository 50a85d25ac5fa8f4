"""The analysis of a checkpoint, as text, tables and panels."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from custom_modules.analysis.errors import ErrorAnalysis
from custom_modules.analysis.metrics import (
    BINS,
    ThresholdSweep,
    foreground_dice,
    foreground_dice_name,
    threshold_choice,
)
from custom_modules.analysis.plots import analysis_pictures
from custom_modules.analysis.selection import (
    best_median_worst,
    chosen_predictions,
    find_images,
    image_paths,
)
from custom_modules.datasets.pairs import first_five
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically
from custom_modules.utils.tables import json_values, markdown_table
from custom_modules.visualization.drawing import write_picture
from custom_modules.visualization.panels import PredictionPanel, contact_sheet

PERCENT = {
    'Dice': 'Dice %', 'IoU': 'IoU %', 'precision': 'precision %', 'recall': 'recall %',
    'boundary_F1': 'boundary F1 %', 'share': 'share of its pixels %',
}  # fmt: skip
SIZES = {
    'size': 'size (pixels)', 'recall': 'pixels found %', 'found': 'objects found %',
    'predicted': 'predicted objects', 'false_alarms': 'false alarms %',
}  # fmt: skip


def analysis_text(run: dict, results: dict) -> str:
    """Write an analysis, given as to :func:`write_analysis`, in Markdown; pictures are linked by their names."""
    means = results['means']
    nearness = run['tolerance']
    nearness = f'{nearness:g} pixels' if nearness else '0.75 % of the diagonal, 1 pixel at least'
    lines = [
        f'# Errors on the {run["part"]} part',
        f'{len(results["images"])} images at {run["size"]}, config `{run["config"]}`, checkpoint `{run["checkpoint"]}`. Scores are in '
        'percent and count the pixels of all images together, unless something else is said; a dash is where there is '
        'nothing to count. All numbers are in [analysis.json](analysis.json), every image is in [images.csv](images.csv).',
        '## Scores',
        f'mDice {means["mDice"]:.2f}, mIoU {means["mIoU"]:.2f} (with the background), pixel accuracy {means["aAcc"]:.2f}. '
        f'Boundary F1 is the mean over the images; a boundary counts as found within {nearness}.',
        markdown_table(results['scores'], PERCENT),
        '## What is taken for what',
        '![confusion matrix](confusion.png)',
        '\n'.join(f'- {words}' for words in results['confusions'].words) or 'Nothing is confused.',
        '## By size of the objects',
        'An object is a connected area of one class (8-connectivity). It is found if at least half of its pixels are; a '
        'predicted object is a false alarm if less than a quarter of its pixels is true.',
        *_objects(results['object_sizes']),
        '## By row of the image',
        'Bands from the top, in percent of the height.',
        '![scores by row](rows.png)',
        markdown_table(results['rows'], PERCENT),
    ]
    if results['horizon'] is not None:
        lines += [
            '## By distance below the horizon',
            'In percent of the height; the horizon is the lowest pixel of sky in each column, columns without sky are left out.',
            '![scores by distance](horizon.png)',
            markdown_table(results['horizon'], PERCENT),
        ]
    lines += [
        '## By brightness',
        'Quarters of the images from dark to bright, by the mean of their pixels (0 to 255).',
        '![scores by brightness](brightness.png)',
        markdown_table(results['brightness'], PERCENT),
        '## Calibration',
        _calibration(results),
        '![reliability curve](calibration.png)',
        *_threshold(results['thresholds'], run['part']),
        '## The hardest images',
        'By their own Dice, the mean over the classes but the background.',
        markdown_table(_hardest(results), PERCENT),
    ]
    return '\n\n'.join(lines) + '\n'


def _objects(table: pd.DataFrame) -> list[str]:
    if not len(table):
        return ['There are no objects, neither true nor predicted.']
    return ['![found and invented objects by size](object_sizes.png)', markdown_table(table, SIZES)]


def _calibration(results: dict) -> str:
    found, classes = results['calibration'], list(results['scores']['class'])
    what = f'probability of {classes[1]}' if len(classes) == 2 else "predicted class's probability"
    share = f'share of {classes[1]}' if len(classes) == 2 else 'share of pixels that are right'
    return (
        f'Expected calibration error **{found["ece"]:.4f}** (0 is perfect, 1 the worst; {BINS} bins of the same width over the {what}, '
        f'weighted by pixels). The mean {what} is {found["mean_probability"]:.4f}, the {share} {found["mean_right"]:.4f}.'
    )


def _threshold(chosen: dict | None, part: str) -> list[str]:
    lines = ['## Threshold']
    if not chosen:
        return [*lines, 'Not swept: the head has several channels, or there is no validation part.']
    caution = (
        'It was **chosen on the same data**, so the gain is too good.'
        if chosen['same_data']
        else 'It was chosen on the validation part, which is other data.'
    )
    return [
        *lines,
        f'The best Dice on the validation part, {chosen["val_dice"]:.2f}, is at the threshold **{chosen["best"]:g}**. On the {part} '
        f'part it scores {chosen["dice"]:.2f}, the threshold of the config ({chosen["default"]:g}) {chosen["default_dice"]:.2f}. {caution}',
        f'```python\n{chosen["config"]}\n```',
        '![scores by threshold](thresholds.png)',
    ]


def _hardest(results: dict, count: int = 10) -> pd.DataFrame:
    images = results['images']
    names = list(results['scores']['class'])[1:]
    table = images[['name', 'brightness']].rename(columns=dict(name='image'))
    table.insert(1, 'Dice', images[[f'{name}_Dice' for name in names]].mean(axis=1))
    shares = images[[f'{name}_true_share' for name in names]].sum(axis=1)
    table.insert(2, 'share of objects %', shares)
    return table.dropna(subset='Dice').sort_values('Dice', kind='stable').head(count)


def checkpoint_analysis(
    cfg, checkpoint: str, part: str = 'test', tolerance: float | None = None
) -> tuple[dict, dict]:
    """Analyse the errors of a checkpoint on a part of a segmentor's data.

    Args:
        cfg (mmengine.Config): The segmentor's config.
        checkpoint (str): Its weights.
        part (str): ``'test'`` (default), ``'val'`` or ``'train'``. The threshold is chosen on ``'val'`` all the same, which
            is predicted as well if it is other data.
        tolerance (float, optional): Of ``boundary_f1``, in pixels.

    Returns:
        tuple[dict, dict]: What was analysed, and its results, as :func:`write_analysis` takes them.

    Raises:
        UsageError: As ``CheckpointPredictions``.
    """
    predictions = CheckpointPredictions(cfg, checkpoint, part)
    analysis = ErrorAnalysis(predictions.classes, predictions.threshold, tolerance)
    sizes = set()
    for prediction in predictions:
        analysis.add(prediction)
        sizes.add(f'{prediction.truth.shape[1]}x{prediction.truth.shape[0]}')
    results = analysis.results()
    results['thresholds'] = None
    if analysis.sweep and cfg.get('val_dataloader'):
        val, same_data = analysis.sweep, True
        if cfg.val_dataloader.dataset != cfg[f'{part}_dataloader'].dataset:
            val = ThresholdSweep()
            others = CheckpointPredictions(cfg, checkpoint, 'val')
            for prediction in others:
                val.add(prediction)
            # perhaps the same images at another size
            own, val_images = (image_paths(each.loader.dataset) for each in (predictions, others))
            same_data = not set(own).isdisjoint(val_images)
        dice = float(results['scores'].Dice[1])
        results['thresholds'] = threshold_choice(
            val, analysis.sweep, predictions.threshold, dice, same_data
        )
    run = dict(
        checkpoint=str(checkpoint),
        part=part,
        size=sizes.pop() if len(sizes) == 1 else f'{len(sizes)} sizes',
        threshold=predictions.threshold,
        tolerance=tolerance,
    )
    return run, results


FILES = ('analysis.md', 'analysis.json', 'images.csv')


def write_analysis(run: dict, results: dict, folder: Path) -> Path:
    """Write an analysis: a text, whose path is returned, with its pictures, all numbers, and a table of the images.

    Args:
        run (dict): What was analysed: ``config``, ``checkpoint``, ``part``, ``size``, ``threshold``, ``tolerance``.
        results (dict): Of :class:`ErrorAnalysis`, with ``thresholds`` of :func:`threshold_choice` or None.
        folder (Path): Where to; it is made.
    """
    for name, picture in analysis_pictures(results).items():
        write_atomically(folder / name, picture)
    write_atomically(folder / 'images.csv', results['images'].to_csv(index=False).encode())
    numbers = json.dumps(json_values(run | results), allow_nan=False, indent=1)
    write_atomically(folder / 'analysis.json', numbers.encode())
    # last: who finds it finds the rest
    write_atomically(folder / 'analysis.md', analysis_text(run, results).encode())
    return folder / 'analysis.md'


def write_chosen_panels(
    predictions: CheckpointPredictions, names: Sequence[str], part: str, folder: Path
) -> list[str]:
    """Draw images that a user has named (see :func:`find_images`), each on its own, to a folder.

    Returns:
        list[str]: What there is to say: each image's score.

    Raises:
        UsageError: If there is no such image.
    """
    found = find_images(names, image_paths(predictions.loader.dataset), part)
    panel = PredictionPanel(predictions.classes, predictions.palette)
    lines, score = [], foreground_dice_name(predictions.classes)
    for number, prediction in enumerate(chosen_predictions(predictions, found), start=1):
        write_picture(panel.draw(prediction), folder / f'{number:02d}_{prediction.name}.png')
        dice = foreground_dice(prediction.scores)
        words = f'{score} {dice:.2f}' if np.isfinite(dice) else 'no Dice'
        without = isinstance(found[number - 1], Path)
        lines.append(f'{prediction.name}: {"without truth" if without else words}')
    return lines


SHEET = 'contact_sheet.png'
SMALL = 220


def write_ranked_panels(predictions: CheckpointPredictions, count: int, folder: Path) -> list[str]:
    """Draw the best, the median and the worst images, so many of each, each on its own and all on one sheet, to a folder.

    All images are predicted once to rank them, and those that are drawn once more: a large set needs no large memory.

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
    large = PredictionPanel(predictions.classes, predictions.palette)
    small = PredictionPanel(predictions.classes, predictions.palette, side=SMALL)
    columns: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    total = int(np.isfinite(dice).sum())
    for (kind, rank, (_, name, score)), prediction in zip(chosen, drawn, strict=True):
        file = f'{kind}_rank{rank:0{len(str(total))}d}_dice{score:.2f}_{name}.png'
        panel = large.draw(prediction, f'{kind}, rank {rank} of {total}:')
        write_picture(panel, folder / file)
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

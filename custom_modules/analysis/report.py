"""Error analysis of a checkpoint: its text, tables and panels of chosen images."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from torch.utils.data import DataLoader, Subset

from custom_modules.analysis.errors import ErrorAnalysis
from custom_modules.analysis.metrics import THRESHOLDS, ThresholdSweep
from custom_modules.analysis.plots import analysis_pictures
from custom_modules.evaluation.predictions import CheckpointPredictions, image_paths
from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.files import write_atomically
from custom_modules.utils.tables import json_values, markdown_table
from custom_modules.visualization.drawing import PredictionPanel, contact_sheet, write_picture

TEMPLATE = Path(__file__).parent / 'analysis.md.jinja'
FILES = ('analysis.md', 'analysis.json', 'images.csv')
SHEET, SMALL = 'contact_sheet.png', 220


def analysis_text(run: dict, results: dict) -> str:
    """Render an analysis, with the arguments of :func:`write_analysis`, as Markdown with links to its pictures."""
    options = dict(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    template = jinja2.Template(TEMPLATE.read_text(encoding='utf-8'), **options)
    classes, images = list(results['scores']['class']), results['images']
    hardest = images[['name', 'brightness']].rename(columns=dict(name='image'))
    hardest.insert(1, 'Dice', images[[f'{name}_Dice' for name in classes[1:]]].mean(axis=1))
    hardest.insert(2, 'share of objects %', images[[f'{name}_true_share' for name in classes[1:]]].sum(axis=1))
    return template.render(
        run=run,
        results=results,
        classes=classes,
        hardest=hardest.dropna(subset='Dice').sort_values('Dice', kind='stable').head(10),
        table=markdown_table,
    )


def checkpoint_analysis(cfg, checkpoint: str, part: str = 'test', tolerance: float | None = None) -> tuple[dict, dict]:
    """Analyse the errors of a segmentor's checkpoint on a part of its config's data, ``'test'``, ``'val'`` or ``'train'``.

    The threshold is always chosen on ``'val'``. ``tolerance`` is that of ``boundary_f1``, in pixels. Returns the ``run`` (without
    ``config``) and the ``results`` for :func:`write_analysis`; raises as ``CheckpointPredictions``.
    """
    predictions = CheckpointPredictions(cfg, checkpoint, part)
    analysis = ErrorAnalysis(predictions.classes, predictions.threshold, tolerance)
    sizes = set()
    for prediction in predictions:
        analysis.add(prediction)
        height, width = prediction.truth.shape
        sizes.add(f'{width}x{height}')
    results = dict(analysis.results(), thresholds=None)
    if analysis.sweep and cfg.get('val_dataloader'):
        val, same_data = analysis.sweep, True
        if cfg.val_dataloader.dataset != cfg[f'{part}_dataloader'].dataset:
            val = ThresholdSweep()
            others = CheckpointPredictions(cfg, checkpoint, 'val')
            for prediction in others:
                val.add(prediction)
            # other settings may be for the same images, such as their size
            images, val_images = (image_paths(each.loader.dataset) for each in (predictions, others))
            same_data = not set(images).isdisjoint(val_images)
        best, on_val, on_part = val.best, val.table(), analysis.sweep.table()
        chosen = dict(
            best=float(THRESHOLDS[best]),
            val_dice=float(on_val.Dice[best]),
            dice=float(on_part.Dice[best]),
            default=predictions.threshold,
            default_dice=float(results['scores'].Dice[1]),
            same_data=same_data,
            config=f'model = dict(decode_head=dict(threshold={THRESHOLDS[best]:g}))',
            val=on_val,
            part=on_part,
        )
        results['thresholds'] = chosen if chosen['val_dice'] > 0 else None
    size = sizes.pop() if len(sizes) == 1 else f'{len(sizes)} sizes'
    run = dict(checkpoint=str(checkpoint), part=part, size=size, threshold=predictions.threshold, tolerance=tolerance)
    return run, results


def write_analysis(run: dict, results: dict, folder: Path) -> Path:
    """Write the pictures, numbers, image table and text of an analysis to a folder; returns the path of the text.

    Args:
        run (dict): What was analysed: ``config``, ``checkpoint``, ``part``, ``size``, ``threshold``, ``tolerance``.
        results (dict): Of :class:`ErrorAnalysis`, and ``thresholds``, None if none is advised: ``best`` (by the Dice on the
            validation part, ``val_dice``), its ``dice`` on this part, the config's ``default`` and ``default_dice``, ``same_data``
            (the parts share images), ``config`` (the line that sets it), ``val`` and ``part`` (tables of all thresholds).
        folder (Path): Output folder; it is created.
    """
    for name, picture in analysis_pictures(results).items():
        write_atomically(folder / name, picture)
    write_atomically(folder / 'images.csv', results['images'].to_csv(index=False).encode(errors='backslashreplace'))
    write_atomically(folder / 'analysis.json', json.dumps(json_values(run | results), allow_nan=False, indent=1).encode())
    # last, so that the rest exists if it does
    write_atomically(folder / 'analysis.md', analysis_text(run, results).encode(errors='backslashreplace'))
    return folder / 'analysis.md'


def find_images(given: Sequence[str], paths: Sequence[str], part: str) -> list[int]:
    """Find the images, given by path or by name with or without suffix (which may fit several), among a data set's paths.

    Returns each index once, in the order given. Raises a UsageError if the part called ``part`` has no such image.
    """
    files = [Path(path).resolve() for path in paths]
    found: list[int] = []
    for name in given:
        path = Path(name).expanduser().resolve()
        matches = [i for i, file in enumerate(files) if name in (file.name, file.stem) or path == file]
        if not matches:
            raise UsageError(
                f'there is no image {name} among the {len(files)} of the {part} part ({first_five(file.stem for file in files)}): '
                'choose one of them or another --part; in any photograph tools/predict.py finds rocks.'
            )
        found += matches
    return list(dict.fromkeys(found))


def chosen_predictions(predictions: CheckpointPredictions, chosen: Sequence[int]) -> CheckpointPredictions:
    """Predict only some images, by index, in this order, with the same model."""
    subset = copy.copy(predictions)
    # batches of one, since images may differ in size
    dataset = Subset(predictions.loader.dataset, chosen)
    subset.loader = DataLoader(dataset, batch_size=1, collate_fn=predictions.loader.collate_fn)
    return subset


def write_chosen_panels(predictions: CheckpointPredictions, names: Sequence[str], part: str, folder: Path) -> list[str]:
    """Draw each of the images that a user names (:func:`find_images`) to a folder; returns lines with their scores."""
    found = find_images(names, image_paths(predictions.loader.dataset), part)
    panel = PredictionPanel(predictions.classes, predictions.palette)
    lines, score = [], _score_name(predictions.classes)
    for number, prediction in enumerate(chosen_predictions(predictions, found), start=1):
        write_picture(panel.draw(prediction), folder / f'{number:02d}_{prediction.name}.png')
        dice = prediction.scores.foreground_dice
        shown = f'{score} {dice:.2f}' if np.isfinite(dice) else 'no Dice'
        lines.append(f'{prediction.name}: {shown}')
    return lines


def _score_name(classes: Sequence[str]) -> str:
    """Name the score that images are ranked by, ``ConfusionScores.foreground_dice``."""
    return f'{classes[1]} Dice' if len(classes) == 2 else f'mDice without {classes[0]}'


def best_median_worst(scores: Sequence[float], count: int) -> dict[str, list[tuple[int, int]]]:
    """Choose the ``count`` best, median and worst scores, or of fewer than three times as many about a third each.

    Scores of nan are not ranked; of equal scores the earlier is better. Returns rank (from 1) and index in ``scores`` of each
    choice, by rank, under ``best``, ``median`` and ``worst``.
    """
    scores = np.asarray(scores, float)
    order = [int(i) for i in np.argsort(-scores, kind='stable') if np.isfinite(scores[i])]
    ranked = list(enumerate(order, start=1))
    edge = min(count, max((len(ranked) + 1) // 3, 1))
    middle = ranked[edge : len(ranked) - edge]
    begin = max(len(middle) - count, 0) // 2
    return dict(best=ranked[:edge], median=middle[begin : begin + count], worst=ranked[edge:][-edge:])


def write_ranked_panels(predictions: CheckpointPredictions, count: int, folder: Path) -> list[str]:
    """Draw the ``count`` best, median and worst images to a folder, in files of their own and on a contact sheet.

    All images are predicted to rank them, and those to draw once more, which saves memory. Returns lines on the scores and on
    images without one. Raises a UsageError if no image has a Dice.
    """
    images = [(p.img_path, p.name, p.scores.foreground_dice) for p in predictions]
    paths, names, dice = zip(*images, strict=True)
    if not np.isfinite(dice).any():
        raise UsageError(
            f'none of the {len(dice)} images has an object, true or predicted, so that they cannot be ranked: choose '
            'with --images.'
        )
    kinds = best_median_worst(dice, count)
    index_of = {path: index for index, path in enumerate(image_paths(predictions.loader.dataset))}
    chosen = [(kind, rank, i) for kind, pairs in kinds.items() for rank, i in pairs]
    drawn = chosen_predictions(predictions, [index_of[paths[i]] for _, _, i in chosen])
    large = PredictionPanel(predictions.classes, predictions.palette)
    small = PredictionPanel(predictions.classes, predictions.palette, side=SMALL)
    columns: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    total = int(np.isfinite(dice).sum())
    digits = len(str(total))
    for (kind, rank, i), prediction in zip(chosen, drawn, strict=True):
        file = f'{kind}_rank{rank:0{digits}d}_dice{dice[i]:.2f}_{names[i]}.png'
        write_picture(large.draw(prediction, f'{kind}, rank {rank} of {total}:'), folder / file)
        columns[kind].append(small.draw(prediction, f'{rank}.', legend=False))
    write_picture(contact_sheet(columns, large.legend()), folder / SHEET)
    by_rank = sorted((rank, i) for _, rank, i in chosen)
    best, worst = by_rank[0][1], by_rank[-1][1]
    lines = [
        f'{total} images ranked by {_score_name(predictions.classes)}: best {dice[best]:.2f} ({names[best]}), median '
        f'{np.nanmedian(dice):.2f}, worst {dice[worst]:.2f} ({names[worst]})'
    ]
    unranked = [name for name, score in zip(names, dice, strict=True) if not np.isfinite(score)]
    if unranked:
        lines.append(
            f'{len(unranked)} images are not ranked, since nothing is there and nothing predicted: {first_five(unranked)}'
        )
    return [*lines, f'{len(chosen)} panels, and all of them in {SHEET}']

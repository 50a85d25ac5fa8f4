"""The analysis of a checkpoint, as text, tables and panels, and which images these show."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
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
SHEET = 'contact_sheet.png'
SMALL = 220
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
    template = jinja2.Template(TEMPLATE.read_text(encoding='utf-8'), undefined=jinja2.StrictUndefined, trim_blocks=True)
    classes = list(results['scores']['class'])
    probability, share = "predicted class's probability", 'share of pixels that are right'
    if len(classes) == 2:
        probability, share = f'probability of {classes[1]}', f'share of {classes[1]}'
    text = template.render(
        run=run,
        results=results,
        hardest=_hardest(results['images'], classes[1:]),
        probability=probability,
        share=share,
        table=lambda table, heads=PERCENT: markdown_table(table, heads),
        sizes=SIZES,
    )
    return f'{text}\n'


def _hardest(images: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    table = images[['name', 'brightness']].rename(columns=dict(name='image'))
    table.insert(1, 'Dice', images[[f'{name}_Dice' for name in names]].mean(axis=1))
    table.insert(2, 'share of objects %', images[[f'{name}_true_share' for name in names]].sum(axis=1))
    return table.dropna(subset='Dice').sort_values('Dice', kind='stable').head(10)


def checkpoint_analysis(cfg, checkpoint: str, part: str = 'test', tolerance: float | None = None) -> tuple[dict, dict]:
    """Analyse the errors of a segmentor's checkpoint on a part of its config's data, ``'test'``, ``'val'`` or ``'train'``.

    The threshold is chosen on ``'val'`` all the same, which is predicted as well if it is other data. The tolerance of
    ``boundary_f1`` is in pixels. What was analysed, and its results, are given as :func:`write_analysis` takes them;
    errors are those of ``CheckpointPredictions``.
    """
    predictions = CheckpointPredictions(cfg, checkpoint, part)
    analysis = ErrorAnalysis(predictions.classes, predictions.threshold, tolerance)
    sizes = set()
    for prediction in predictions:
        analysis.add(prediction)
        sizes.add('{1}x{0}'.format(*prediction.truth.shape))
    results = analysis.results() | dict(thresholds=None)
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
        best, on_val, on_part = val.best, val.table(), analysis.sweep.table()
        results['thresholds'] = dict(
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
    size = sizes.pop() if len(sizes) == 1 else f'{len(sizes)} sizes'
    run = dict(checkpoint=str(checkpoint), part=part, size=size, threshold=predictions.threshold, tolerance=tolerance)
    return run, results


def write_analysis(run: dict, results: dict, folder: Path) -> Path:
    """Write an analysis: a text, whose path is returned, with its pictures, all numbers, and a table of the images.

    Args:
        run (dict): What was analysed: ``config``, ``checkpoint``, ``part``, ``size``, ``threshold``, ``tolerance``.
        results (dict): Of :class:`ErrorAnalysis`, with ``thresholds``, None where there is no choice: ``best`` (by the Dice on
            the validation part, ``val_dice``), its ``dice`` on this part, the config's ``default`` and ``default_dice``,
            ``same_data`` (whether both parts share images: then the score is too good), ``config`` (the line that sets it), ``val``
            and ``part`` (all thresholds' scores, tables).
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


def find_images(given: Sequence[str], paths: Sequence[str], part: str) -> list[int]:
    """Find the images that a user names in a data set (``paths``): by name, with or without suffix, which may fit several, or by path.

    Raises a UsageError if there is no such image in the part that is called ``part``.
    """
    files = [Path(path).resolve() for path in paths]
    found: list[int] = []
    for name in given:
        path = Path(name).expanduser().resolve()
        own = [i for i, file in enumerate(files) if name in (file.name, file.stem) or path == file]
        if not own:
            raise UsageError(
                f'there is no image {name} among the {len(files)} of the {part} part ({first_five(file.stem for file in files)}): '
                'choose one of them or another --part; in any photograph tools/predict.py finds rocks.'
            )
        found += own
    # each once, in the order given
    return list(dict.fromkeys(found))


def chosen_predictions(predictions: CheckpointPredictions, chosen: Sequence[int]) -> CheckpointPredictions:
    """Predict some images only, by index, in their order, with the model that is loaded already."""
    own = copy.copy(predictions)
    images = Subset(predictions.loader.dataset, chosen)
    # one at a time: files may differ in size
    own.loader = DataLoader(images, batch_size=1, collate_fn=predictions.loader.collate_fn)
    return own


def write_chosen_panels(predictions: CheckpointPredictions, names: Sequence[str], part: str, folder: Path) -> list[str]:
    """Draw images that a user has named (:func:`find_images`), each on its own, to a folder, and say each one's score."""
    found = find_images(names, image_paths(predictions.loader.dataset), part)
    panel = PredictionPanel(predictions.classes, predictions.palette)
    lines, score = [], _score_name(predictions.classes)
    for number, prediction in enumerate(chosen_predictions(predictions, found), start=1):
        write_picture(panel.draw(prediction), folder / f'{number:02d}_{prediction.name}.png')
        dice = prediction.scores.foreground_dice
        lines.append(f'{prediction.name}: {f"{score} {dice:.2f}" if np.isfinite(dice) else "no Dice"}')
    return lines


def _score_name(classes: Sequence[str]) -> str:
    """Say what images are ranked by, such as ``'rock Dice'``."""
    return f'{classes[1]} Dice' if len(classes) == 2 else f'mDice without {classes[0]}'


def best_median_worst(scores: Sequence[float], count: int) -> dict[str, list[tuple[int, int]]]:
    """Choose the best, the middle and the worst of a ranking, ``count`` of each kind and each at most once.

    Scores of nan are not ranked; fewer than three times as many scores are shared out. Of equal scores the earlier is
    better. Under ``best``, ``median`` and ``worst`` are rank (from 1) and index in ``scores``, by rank.
    """
    scores = np.asarray(scores, float)
    order = [int(i) for i in np.argsort(-scores, kind='stable') if np.isfinite(scores[i])]
    ranked = list(enumerate(order, start=1))
    edge = min(count, max((len(ranked) + 1) // 3, 1))
    rest = ranked[edge : len(ranked) - edge]
    begin = max(len(rest) - count, 0) // 2
    return dict(best=ranked[:edge], median=rest[begin : begin + count], worst=ranked[edge:][-edge:])


def write_ranked_panels(predictions: CheckpointPredictions, count: int, folder: Path) -> list[str]:
    """Draw the best, the median and the worst images, so many of each, each on its own and all on one sheet, to a folder.

    All images are predicted once to rank them, and those that are drawn once more: a large set needs no large memory.
    Returns words on the range of the scores, and which images have none. Raises a UsageError if no image has a
    Dice.
    """
    ranked = [(p.img_path, p.name, p.scores.foreground_dice) for p in predictions]
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
        write_picture(large.draw(prediction, f'{kind}, rank {rank} of {total}:'), folder / file)
        columns[kind].append(small.draw(prediction, f'{rank}.', legend=False))
    write_picture(contact_sheet(columns, large.legend()), folder / SHEET)
    best, worst = chosen[0], max(chosen, key=lambda one: one[1])
    lines = [
        f'{total} images ranked by {_score_name(predictions.classes)}: best {best[2][2]:.2f} ({best[2][1]}), median '
        f'{np.nanmedian(dice):.2f}, worst {worst[2][2]:.2f} ({worst[2][1]})'
    ]
    aside = [name for _, name, score in ranked if not np.isfinite(score)]
    if aside:
        lines.append(
            f'{len(aside)} images are not ranked, since nothing is there and nothing predicted: {first_five(aside)}'
        )
    return [*lines, f'{len(chosen)} panels, and all of them in {SHEET}']

"""Figures of a report."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from custom_modules.datasets.masks import OKABE_ITO
from custom_modules.reporting.comparison import Comparison
from custom_modules.reporting.runs import RunFolder
from custom_modules.utils.plotting import figure_png, plot_text
from custom_modules.visualization.drawing import error_map, overlay

STYLES = ('-', '--', '-.', ':')
# without the yellow, which is lost on white
COLOURS = [[channel / 255 for channel in OKABE_ITO[i]] for i in (5, 1, 3, 7, 6, 2, 0)]


def draw_learning_curves(runs: Sequence[RunFolder], labels: Sequence[str] | None = None) -> bytes:
    """Draw loss, scores and learning rates of runs by epoch, one above the other.

    Runs with one label have one colour; a ring marks the epoch of each run's best checkpoint.

    Args:
        runs (Sequence[RunFolder]): The runs.
        labels (Sequence[str], optional): What to call each; those of one experiment have one. Defaults to the folders.

    Returns:
        bytes: The picture, PNG.

    Raises:
        ValueError: If there is no run.
    """
    if not runs:
        raise ValueError('there is no run to draw')
    labels = list(labels or (run.title for run in runs))
    names = list(dict.fromkeys(labels))
    scores = list(dict.fromkeys(score for run in runs for score in _scores(run)))
    rows = ['loss', *scores, 'learning rate']
    figure = Figure(figsize=(9, 2.3 * len(rows) + 0.35 * len(names)), layout='constrained')
    panels = dict(
        zip(rows, figure.subplots(len(rows), 1, sharex=True, squeeze=False).flat, strict=True)
    )
    for run, label in zip(runs, labels, strict=True):
        index = names.index(label)
        colour = COLOURS[index % len(COLOURS)]
        line = dict(color=colour, linewidth=1.2)
        style = STYLES[index // len(COLOURS) % len(STYLES)]
        panels['loss'].plot(_column(run.train, 'loss'), linestyle=style, **line)
        panels['loss'].plot(_column(run.val, 'val_loss'), linestyle=(0, (1, 1)), **line)
        for score in scores:
            panels[score].plot(_column(run.val, score), linestyle=style, **line)
        reached = run.score(scores[0], run.best_epoch) if scores else None
        if reached is not None:
            panels[scores[0]].plot(run.best_epoch, reached, 'o', fillstyle='none', color=colour)
        rates = [c for c in run.train if c.startswith('lr/')] or ['lr']
        for rate in rates:
            panels['learning rate'].plot(_column(run.train, rate), linestyle=style, **line)
    panels['loss'].set_ylabel('loss\n(validation dotted)')
    for score in scores:
        panels[score].set_ylabel(f'{score} (%)\nof validation')
    panels['learning rate'].set_ylabel('learning rate\nof each group')
    panels['learning rate'].set_yscale('log')
    panels['learning rate'].set_xlabel('epoch')
    panels['learning rate'].xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels.values():
        axes.grid(alpha=0.3)
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[i % len(COLOURS)],
            linestyle=STYLES[i // len(COLOURS) % len(STYLES)],
        )
        for i in range(len(names))
    ]
    shown = [plot_text(name) for name in names]
    figure.legend(handles, shown, loc='outside upper center', ncols=min(3, len(names)))
    return figure_png(figure)


def _scores(run: RunFolder) -> list[str]:
    """Name the monitored score, and beside a class's Dice its IoU."""
    first = run.monitored
    wanted = [first, first.replace('Dice', 'IoU')] if first else ['mDice', 'mIoU']
    return [score for score in dict.fromkeys(wanted) if score in run.val]


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name].dropna() if name in table else pd.Series(dtype=float)


COLUMNS = 5


def draw_models(cells: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """Draw pictures of one image side by side, each with its caption, for pages that are not HTML.

    Args:
        cells (Sequence[tuple[str, np.ndarray]]): Caption and RGB picture (H, W, 3), all of one size.

    Returns:
        bytes: The picture, PNG.
    """
    height, width = cells[0][1].shape[:2]
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    side = 2.4
    size = (side * columns, (side * height / width + 0.5) * rows)
    figure = Figure(figsize=size, layout='constrained')
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, (caption, picture) in zip(panels, cells, strict=False):
        # pixels stay squares: what is shown is what was scored
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(plot_text(caption), fontsize=8)
    return figure_png(figure)


def gallery(comparison: Comparison) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Put the same images side by side for every model: input, truth, then each model's errors.

    Each group is shown by its first seed, each image by a model that has not seen it where folds are pooled. A caption says
    the image's own score.

    Args:
        comparison (Comparison): The runs.

    Returns:
        dict[str, list[tuple[str, np.ndarray]]]: For each image its captioned RGB pictures (H, W, 3).
    """
    first = comparison.groups[0].first
    # folds that were cut otherwise have kept other images: those that all have
    kept = [dict(zip(g.first.shown, g.first.kept, strict=True)) for g in comparison.groups]
    rows = {}
    for index, key in enumerate(key for key in first.shown if all(key in own for own in kept)):
        base = kept[0][key]
        image, name = base.image, base.name if base.name not in rows else f'{base.name} ({index})'
        cells = [('input', image), ('truth', overlay(image, base.truth, first.palette))]
        for own, label in zip(kept, comparison.labels(), strict=True):
            prediction = own[key]
            score = prediction.scores.named(first.classes).get(comparison.score, np.nan)
            # nan: neither there nor predicted
            words = 'nothing to find' if score != score else f'{comparison.score} {score:.1f}'
            errors = error_map(image, prediction.truth, prediction.predicted)
            cells.append((f'{label}\n{words}', errors))
        rows[name] = cells
    return rows


def png(picture: np.ndarray) -> bytes:
    """Encode an RGB picture (H, W, 3) as PNG."""
    return cv2.imencode('.png', picture[..., ::-1])[1].tobytes()

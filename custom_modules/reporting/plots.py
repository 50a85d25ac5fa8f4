"""Figures of a report: learning curves, predictions and drawings of networks."""

import itertools
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.ticker import MaxNLocator

from custom_modules.datasets.masks import OKABE_ITO
from custom_modules.reporting.architecture import Architecture, Stage
from custom_modules.reporting.comparison import Comparison
from custom_modules.reporting.runs import RunFolder, run_labels
from custom_modules.utils.plotting import figure_png, plot_text
from custom_modules.visualization.drawing import error_map, overlay

STYLES = ('-', '--', '-.', ':')
# without the yellow, which is hard to see on white
COLOURS = [[channel / 255 for channel in OKABE_ITO[i]] for i in (5, 1, 3, 7, 6, 2, 0)]
GALLERY_COLUMNS = 5
# of boxes, and from one to the next, in inches
BOX_WIDTH, BOX_HEIGHT = 3.0, 0.86
COLUMN_STEP, ROW_STEP = 3.5, 1.2
LINE_LETTERS = 52
BOX_COLOURS = {
    'encoder': '#cfe3f3',
    'encoder, frozen at first': '#dfe3e8',
    'encoder, frozen': '#c4c8ce',
    'decoder or head': '#fbe3bf',
    'image': '#ffffff',
}


def draw_learning_curves(runs: Sequence[RunFolder], labels: Sequence[str] | None = None) -> bytes:
    """Draw loss, scores and learning rates of runs by epoch, in panels below each other, as PNG.

    Runs with the same label (by default each has its own) have one colour; a ring marks the epoch of each run's checkpoint, if it is there.
    """
    labels = list(labels or run_labels(runs))
    names = list(dict.fromkeys(labels))
    scores = list(dict.fromkeys(score for run in runs for score in _scores(run)))
    rows = ['loss', *scores, 'learning rate']
    figure = Figure(figsize=(9, 2.3 * len(rows) + 0.35 * len(names)), layout='constrained')
    panels = dict(zip(rows, figure.subplots(len(rows), 1, sharex=True, squeeze=False).flat, strict=True))
    cycle = itertools.cycle(itertools.product(STYLES, COLOURS))
    styles = {
        name: dict(color=colour, linestyle=style, linewidth=1.2) for name, (style, colour) in zip(names, cycle, strict=False)
    }
    for run, label in zip(runs, labels, strict=True):
        style = styles[label]
        rates = [column for column in run.train if column.startswith('lr/')] or ['lr']
        lines = [
            ('loss', run.train, 'loss', style),
            ('loss', run.val, 'val_loss', style | dict(linestyle=(0, (1, 1)))),
            *((score, run.val, score, style) for score in scores),
            *(('learning rate', run.train, rate, style) for rate in rates),
        ]
        for row, table, column, line_style in lines:
            if column in table:
                panels[row].plot(table[column].dropna(), marker='.' * (len(table) == 1), **line_style)
        reached = run.score(scores[0], run.best_epoch) if scores and any(run.path.glob('*epoch_*.pth')) else None
        if reached is not None:
            panels[scores[0]].plot(run.best_epoch, reached, 'o', fillstyle='none', color=style['color'])
    panels['loss'].set_ylabel('loss\n(validation dotted)')
    for score in scores:
        panels[score].set_ylabel(f'{score} (%)\nof validation')
    lowest = panels['learning rate']
    lowest.set(ylabel='learning rate\nof each group', yscale='log', xlabel='epoch')
    lowest.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in panels.values():
        axes.grid(alpha=0.3)
    handles = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(handles, [plot_text(name) for name in names], loc='outside upper center', ncols=min(3, len(names)))
    return figure_png(figure)


def _scores(run: RunFolder) -> list[str]:
    """Name the monitored score, and with a Dice its IoU."""
    first = run.monitored or 'mDice'
    return [score for score in dict.fromkeys([first, first.replace('Dice', 'IoU')]) if score in run.val]


def draw_models(cells: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """Draw pictures of one image (H, W, 3) side by side with their captions, as PNG."""
    height, width = cells[0][1].shape[:2]
    columns = min(GALLERY_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(2.4 * columns, (2.4 * height / width + 0.5) * rows), layout='constrained')
    for number, (caption, picture) in enumerate(cells, start=1):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_axis_off()
        # the very pixels that were scored
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(plot_text(caption), fontsize=8)
    return figure_png(figure)


def gallery(comparison: Comparison) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Lay out images by name as rows of RGB pictures (H, W, 3) with captions: input, truth, then the errors of each group's first seed.

    The caption of a group's picture has its score on this image, the Dice in place of ``image_Dice`` and ``object_F1``.
    """
    first = comparison.groups[0].first
    kept = [group.first.kept for group in comparison.groups]
    # one image has no mean over images, and no counts of objects are kept
    name_of_score = re.sub('(image_Dice|object_F1)$', 'Dice', comparison.score)
    rows = {}
    # differently cut folds have kept different images: only the common ones are shown
    common = [key for key in first.kept if all(key in predictions for predictions in kept)]
    for index, key in enumerate(common):
        base, image = kept[0][key], kept[0][key].image
        name = f'{base.name} ({index})' if base.name in rows else base.name
        cells = [('input', image), ('truth', overlay(image, base.truth, first.palette))]
        for predictions, label in zip(kept, comparison.labels(), strict=True):
            prediction = predictions[key]
            score = prediction.scores.named(first.classes)[name_of_score]
            # nan: no pixel of the class is true or predicted
            text = 'nothing to find' if np.isnan(score) else f'{name_of_score} {score:.1f}'
            cells.append((f'{label}\n{text}', error_map(image, prediction.truth, prediction.predicted)))
        rows[name] = cells
    return rows


def draw_architecture(architecture: Architecture, title: str) -> bytes:
    """Draw the stages of a network as boxes, with arrows for their inputs, as PNG; a U-Net as a U, any other network as a chain."""
    stages = _drawn(architecture)
    chain = {stage.name: (0, row) for row, stage in enumerate(stages)}
    places = _u_places(stages) if architecture.is_u_shaped else chain
    columns, rows = (max(place[i] for place in places.values()) + 1 for i in (0, 1))
    size = (COLUMN_STEP * (columns - 1) + BOX_WIDTH + 0.4, ROW_STEP * (rows - 1) + BOX_HEIGHT + 1.1)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
    axes.set_axis_off()
    centres = {
        name: (0.2 + BOX_WIDTH / 2 + COLUMN_STEP * column, 0.5 + BOX_HEIGHT / 2 + ROW_STEP * row)
        for name, (column, row) in places.items()
    }
    heading = f'{title}: {architecture.parameters:,} parameters'
    axes.text(size[0] / 2, 0.2, plot_text(heading), ha='center', va='center', fontsize=11)
    boxes = {stage.name: _box(axes, centres[stage.name], stage) for stage in stages}
    for stage in stages:
        for source in stage.inputs:
            (x0, y0), (x1, y1) = centres[source], centres[stage.name]
            path = 'arc3'
            if x0 == x1 and abs(y1 - y0) > 1.5 * ROW_STEP:
                # around the boxes in between
                path = f'bar,fraction={(BOX_WIDTH / 2 + 0.12) / abs(y1 - y0)}'
            style = dict(color='#0072B2', linestyle='--') if source == stage.skip else dict(color='0.25')
            ends = dict(patchA=boxes[source], patchB=boxes[stage.name], shrinkA=0, shrinkB=0)
            arrow = dict(arrowstyle='-|>', connectionstyle=path, linewidth=1.1, **ends, **style)
            axes.annotate('', (x1, y1), (x0, y0), arrowprops=arrow)
            if source == stage.skip:
                skip = next(other for other in stages if other.name == source)
                lines = [f'skip: {skip.channels} x {skip.size[1]}x{skip.size[0]}', *textwrap.wrap(stage.adapter, 40)]
                style = dict(ha='center', va='center', bbox=dict(facecolor='white', edgecolor='none', pad=1.5))
                axes.text((x0 + x1) / 2, (y0 + y1) / 2, '\n'.join(lines), fontsize=7.5, color='#0072B2', **style)
    kinds = dict.fromkeys(map(_kind, stages))
    handles = [Patch(facecolor=BOX_COLOURS[kind], edgecolor='0.4', label=kind) for kind in kinds]
    axes.legend(handles=handles, loc='lower center', ncols=len(handles), fontsize=8, frameon=False)
    return figure_png(figure)


def _drawn(architecture: Architecture) -> list[Stage]:
    """List what is drawn as a box: the image, and the stages, those without parameters together with the next one."""
    boxes = [Stage('input', '', 'image', None, 3, 1, architecture.size, 0)]
    merged: list[Stage] = []
    for stage in architecture.stages:
        merged.append(stage)
        if stage.parameters or stage is architecture.stages[-1]:
            block, names = ', '.join(part.block for part in merged), {part.name for part in merged[:-1]}
            inputs = dict.fromkeys(name for part in merged for name in part.inputs if name not in names)
            boxes.append(replace(stage, block=block, inputs=tuple(inputs)))
            merged = []
    return boxes


def _u_places(stages: list[Stage]) -> dict[str, tuple[int, int]]:
    """Place each box of a U in a column and a row: the encoder on the left, the bottleneck in the middle, the decoder on the right."""
    skips = {stage.skip for stage in stages}
    deepest = max(i for i, stage in enumerate(stages) if stage.name in skips)
    first_up = next(i for i, stage in enumerate(stages) if stage.skip)
    places = {stage.name: (int(row > deepest), row) for row, stage in enumerate(stages[:first_up])}
    row = deepest + 1
    for stage in stages[first_up:]:
        row = places[stage.skip][1] if stage.skip else row - 1
        places[stage.name] = (2, row)
    return places


def _kind(stage: Stage) -> str:
    if not stage.part:
        return 'image'
    if stage.part != 'backbone':
        return 'decoder or head'
    return {'': 'encoder', 'always': 'encoder, frozen'}.get(stage.frozen, 'encoder, frozen at first')


def _box(axes: Axes, centre: tuple[float, float], stage: Stage) -> FancyBboxPatch:
    x, y = centre
    corner = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2)
    style = dict(boxstyle='round,pad=0,rounding_size=0.06', edgecolor='0.4', linewidth=0.8)
    colour = BOX_COLOURS[_kind(stage)]
    box = axes.add_patch(FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, facecolor=colour, **style))
    size = f' x {stage.size[1]}x{stage.size[0]}' if stage.size else ''
    parameters = f', {stage.parameters:,} parameters' if stage.parameters else ''
    lines = textwrap.wrap(stage.block, LINE_LETTERS, max_lines=2, placeholder=' ...')
    lines.append(f'{stage.channels}{size}{parameters}')
    frozen = {'': '', 'always': ', frozen'}.get(stage.frozen, f', frozen {stage.frozen}')
    axes.text(x, corner[1] + 0.13, plot_text(stage.name + frozen), ha='center', va='center', fontsize=8.5, weight='bold')  # fmt: skip
    middle = corner[1] + 0.2 + (BOX_HEIGHT - 0.2) / 2
    axes.text(x, middle, plot_text('\n'.join(lines)), ha='center', va='center', fontsize=7.5)
    return box

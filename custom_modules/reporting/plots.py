"""Figures of a report."""

import itertools
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
from custom_modules.reporting.runs import RunFolder
from custom_modules.utils.plotting import figure_png, plot_text
from custom_modules.visualization.drawing import error_map, overlay

STYLES = ('-', '--', '-.', ':')
# without the yellow, which is lost on white
COLOURS = [[channel / 255 for channel in OKABE_ITO[i]] for i in (5, 1, 3, 7, 6, 2, 0)]
GALLERY_COLUMNS = 5
# a box, and what lies between two of them, in inches
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
    """Draw loss, scores and learning rates of runs by epoch, one above the other, as PNG.

    Runs with one label (by default each its folder), which are of one experiment, have one colour; a ring marks the epoch of each
    run's best checkpoint.
    """
    labels = list(labels or (run.title for run in runs))
    names = list(dict.fromkeys(labels))
    scores = list(dict.fromkeys(score for run in runs for score in _scores(run)))
    rows = ['loss', *scores, 'learning rate']
    figure = Figure(figsize=(9, 2.3 * len(rows) + 0.35 * len(names)), layout='constrained')
    panels = dict(zip(rows, figure.subplots(len(rows), 1, sharex=True, squeeze=False).flat, strict=True))
    styles = itertools.cycle(itertools.product(STYLES, COLOURS))
    looks = {
        name: dict(color=colour, linestyle=style, linewidth=1.2)
        for name, (style, colour) in zip(names, styles, strict=False)
    }
    for run, label in zip(runs, labels, strict=True):
        look = looks[label]
        lines = [('loss', run.train, 'loss', look)]
        lines.append(('loss', run.val, 'val_loss', look | dict(linestyle=(0, (1, 1)))))
        lines += [(score, run.val, score, look) for score in scores]
        rates = [c for c in run.train if c.startswith('lr/')] or ['lr']
        lines += [('learning rate', run.train, rate, look) for rate in rates]
        for row, table, column, line in lines:
            if column in table:
                panels[row].plot(table[column].dropna(), **line)
        reached = run.score(scores[0], run.best_epoch) if scores else None
        if reached is not None:
            panels[scores[0]].plot(run.best_epoch, reached, 'o', fillstyle='none', color=look['color'])
    panels['loss'].set_ylabel('loss\n(validation dotted)')
    for score in scores:
        panels[score].set_ylabel(f'{score} (%)\nof validation')
    rates = panels['learning rate']
    rates.set(ylabel='learning rate\nof each group', yscale='log', xlabel='epoch')
    rates.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels.values():
        axes.grid(alpha=0.3)
    handles = [Line2D([], [], **look) for look in looks.values()]
    figure.legend(handles, [plot_text(name) for name in names], loc='outside upper center', ncols=min(3, len(names)))
    return figure_png(figure)


def _scores(run: RunFolder) -> list[str]:
    """Name the monitored score, and beside a class's Dice its IoU."""
    first = run.monitored
    wanted = [first, first.replace('Dice', 'IoU')] if first else ['mDice', 'mIoU']
    return [score for score in dict.fromkeys(wanted) if score in run.val]


def draw_models(cells: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """Draw pictures of one image (H, W, 3) side by side, each with its caption, as PNG, for pages that are not HTML."""
    height, width = cells[0][1].shape[:2]
    columns = min(GALLERY_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(2.4 * columns, (2.4 * height / width + 0.5) * rows), layout='constrained')
    for number, (caption, picture) in enumerate(cells, start=1):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_axis_off()
        # pixels stay squares: what is shown is what was scored
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(plot_text(caption), fontsize=8)
    return figure_png(figure)


def gallery(comparison: Comparison) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Put the same images side by side for every model: input, truth, then each model's errors, captioned RGB pictures (H, W, 3).

    Each group is shown by its first seed, each image by a model that has not seen it where folds are pooled. A caption says
    the image's own score.
    """
    first = comparison.groups[0].first
    # folds that were cut otherwise have kept other images: those that all have
    kept = [group.first.kept for group in comparison.groups]
    rows = {}
    for index, key in enumerate(key for key in first.kept if all(key in own for own in kept)):
        base = kept[0][key]
        image, name = base.image, base.name if base.name not in rows else f'{base.name} ({index})'
        cells = [('input', image), ('truth', overlay(image, base.truth, first.palette))]
        for own, label in zip(kept, comparison.labels(), strict=True):
            prediction = own[key]
            score = prediction.scores.named(first.classes).get(comparison.score, np.nan)
            # nan: neither there nor predicted
            words = 'nothing to find' if score != score else f'{comparison.score} {score:.1f}'
            cells.append((f'{label}\n{words}', error_map(image, prediction.truth, prediction.predicted)))
        rows[name] = cells
    return rows


def draw_architecture(architecture: Architecture, title: str) -> bytes:
    """Draw a network: each stage with its block, channels, size and parameters; skip connections and what they pass; as PNG.

    A U-Net is drawn as a U, anything else as a chain.
    """
    stages = _drawn(architecture)
    chain = {stage.name: (0, row) for row, stage in enumerate(stages)}
    places = _u_places(stages) if architecture.is_u_shaped else chain
    columns, rows = (max(place[i] for place in places.values()) + 1 for i in (0, 1))
    size = (COLUMN_STEP * (columns - 1) + BOX_WIDTH + 0.4, ROW_STEP * (rows - 1) + BOX_HEIGHT + 1.1)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.set_axis_off()
    centres = {
        name: (0.2 + BOX_WIDTH / 2 + COLUMN_STEP * column, 0.5 + BOX_HEIGHT / 2 + ROW_STEP * row)
        for name, (column, row) in places.items()
    }
    words = f'{title}: {architecture.parameters:,} parameters'
    axes.text(size[0] / 2, 0.2, plot_text(words), ha='center', va='center', fontsize=11)
    boxes = {stage.name: _box(axes, centres[stage.name], stage) for stage in stages}
    for stage in stages:
        for source in stage.inputs:
            (x0, y0), (x1, y1) = centres[source], centres[stage.name]
            way = 'arc3'
            if x0 == x1 and abs(y1 - y0) > 1.5 * ROW_STEP:
                # round the boxes between them
                way = f'bar,fraction={(BOX_WIDTH / 2 + 0.12) / abs(y1 - y0)}'
            look = dict(color='#0072B2', linestyle='--') if source == stage.skip else dict(color='0.25')
            ends = dict(patchA=boxes[source], patchB=boxes[stage.name], shrinkA=0, shrinkB=0)
            arrow = dict(arrowstyle='-|>', connectionstyle=way, linewidth=1.1, **ends, **look)
            axes.annotate('', (x1, y1), (x0, y0), arrowprops=arrow)
            if source == stage.skip:
                kept = next(each for each in stages if each.name == source)
                lines = [f'skip: {kept.channels} x {kept.size[1]}x{kept.size[0]}', *textwrap.wrap(stage.adapter, 40)]
                place = dict(ha='center', va='center', bbox=dict(facecolor='white', edgecolor='none', pad=1.5))
                axes.text((x0 + x1) / 2, (y0 + y1) / 2, '\n'.join(lines), fontsize=7.5, color='#0072B2', **place)
    used = dict.fromkeys(map(_kind, stages))
    handles = [Patch(facecolor=BOX_COLOURS[kind], edgecolor='0.4', label=kind) for kind in used]
    axes.legend(handles=handles, loc='lower center', ncols=len(handles), fontsize=8, frameon=False)
    return figure_png(figure)


def _drawn(architecture: Architecture) -> list[Stage]:
    """The boxes: the image, the stages, those without parameters together with the next one."""
    boxes = [Stage('input', '', 'image', None, 3, 1, architecture.size, 0)]
    waiting: list[Stage] = []
    for stage in architecture.stages:
        if not stage.parameters and stage is not architecture.stages[-1]:
            waiting.append(stage)
            continue
        block = ', '.join([*(part.block for part in waiting), stage.block])
        names = {part.name for part in waiting}
        inputs = dict.fromkeys(name for part in (*waiting, stage) for name in part.inputs)
        inputs = tuple(name for name in inputs if name not in names)
        boxes.append(replace(stage, block=block, inputs=inputs))
        waiting = []
    return boxes


def _u_places(stages: list[Stage]) -> dict[str, tuple[int, int]]:
    """Column and row of each box of a U: the encoder down on the left, its end in the middle, the decoder up on the right."""
    skips = {stage.skip for stage in stages}
    deepest = max(i for i, stage in enumerate(stages) if stage.name in skips)
    first_up = next(i for i, stage in enumerate(stages) if stage.skip)
    places = {stage.name: (0, row) for row, stage in enumerate(stages[: deepest + 1])}
    for row, stage in enumerate(stages[deepest + 1 : first_up], start=deepest + 1):
        places[stage.name] = (1, row)
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
    style['facecolor'] = BOX_COLOURS[_kind(stage)]
    box = axes.add_patch(FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, **style))
    size = '' if stage.size is None else f' x {stage.size[1]}x{stage.size[0]}'
    facts = [f'{stage.channels}{size}']
    if stage.parameters:
        facts.append(f'{stage.parameters:,} parameters')
    lines = textwrap.wrap(stage.block, LINE_LETTERS, max_lines=2, placeholder=' ...')
    lines.append(', '.join(facts))
    name = stage.name + (f', frozen {stage.frozen}'.replace(' always', '') if stage.frozen else '')
    axes.text(x, corner[1] + 0.13, plot_text(name), ha='center', va='center', fontsize=8.5, weight='bold')  # fmt: skip
    middle = corner[1] + 0.2 + (BOX_HEIGHT - 0.2) / 2
    axes.text(x, middle, plot_text('\n'.join(lines)), ha='center', va='center', fontsize=7.5)
    return box

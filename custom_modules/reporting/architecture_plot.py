"""The drawing of a network: the U of a U-Net, else a chain."""

import textwrap
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from custom_modules.reporting.architecture import Architecture, Stage
from custom_modules.utils.plotting import figure_png, plot_text

# a box, and what lies between two of them, in inches
WIDTH, HEIGHT = 3.0, 0.86
ACROSS, DOWN = 3.5, 1.2
LETTERS = 52
# a chain of up to so many boxes is one column
SHORT = 8
COLOURS = {
    'encoder': '#cfe3f3',
    'encoder, frozen at first': '#dfe3e8',
    'encoder, frozen': '#c4c8ce',
    'decoder or head': '#fbe3bf',
    'image': '#ffffff',
}


def draw_architecture(architecture: Architecture, title: str) -> bytes:
    """Draw a network: each stage with its block, channels, size and parameters; skip connections and what they pass.

    A U-Net is drawn as a U, anything else as a chain: the backbone on the left, what follows it on the right.

    Args:
        architecture (Architecture): The network.
        title (str): What to call it, above the drawing.

    Returns:
        bytes: The picture, PNG.
    """
    stages = _drawn(architecture)
    places = _u_places(stages) if architecture.is_u_shaped else _chain_places(stages)
    columns, rows = (max(place[i] for place in places.values()) + 1 for i in (0, 1))
    size = (ACROSS * (columns - 1) + WIDTH + 0.4, DOWN * (rows - 1) + HEIGHT + 1.1)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.set_axis_off()
    centres = {
        name: (0.2 + WIDTH / 2 + ACROSS * column, 0.5 + HEIGHT / 2 + DOWN * row)
        for name, (column, row) in places.items()
    }
    words = f'{title}: {architecture.parameters:,} parameters'
    axes.text(size[0] / 2, 0.2, plot_text(words), ha='center', va='center', fontsize=11)
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        for source in stage.inputs:
            ends = centres[source], centres[stage.name]
            if source == stage.skip:
                _skip(axes, *ends, by_name[source], stage.adapter)
            else:
                _arrow(axes, *ends)
        _box(axes, centres[stage.name], stage)
    used = dict.fromkeys(map(_kind, stages))
    handles = [Patch(facecolor=COLOURS[kind], edgecolor='0.4', label=kind) for kind in used]
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


def _chain_places(stages: list[Stage]) -> dict[str, tuple[int, int]]:
    """Column and row of each box of a chain: a long one goes down with the backbone, and up again with what follows it."""
    if len(stages) <= SHORT:
        return {stage.name: (0, row) for row, stage in enumerate(stages)}
    encoder = [stage for stage in stages if stage.part in ('', 'backbone')]
    others = [stage for stage in stages if stage.part not in ('', 'backbone')]
    last = max(len(encoder), len(others)) - 1
    down = {s.name: (0, last - i) for i, s in enumerate(reversed(encoder))}
    return down | {s.name: (1, last - i) for i, s in enumerate(others)}


def _kind(stage: Stage) -> str:
    if not stage.part:
        return 'image'
    if stage.part != 'backbone':
        return 'decoder or head'
    states = {'': 'encoder', 'always': 'encoder, frozen'}
    return states.get(stage.frozen, 'encoder, frozen at first')


def _box(axes: Axes, centre: tuple[float, float], stage: Stage) -> None:
    x, y = centre
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    style = dict(boxstyle='round,pad=0,rounding_size=0.06', edgecolor='0.4', linewidth=0.8)
    axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, facecolor=COLOURS[_kind(stage)], **style))
    size = '' if stage.size is None else f' x {stage.size[1]}x{stage.size[0]}'
    facts = [f'{stage.channels}{size}']
    if stage.parameters:
        facts.append(f'{stage.parameters:,} parameters')
    lines = textwrap.wrap(stage.block, LETTERS, max_lines=2, placeholder=' ...')
    lines.append(', '.join(facts))
    name = stage.name + (f', frozen {stage.frozen}'.replace(' always', '') if stage.frozen else '')
    axes.text(x, corner[1] + 0.13, plot_text(name), ha='center', va='center', fontsize=8.5, weight='bold')  # fmt: skip
    middle = corner[1] + 0.2 + (HEIGHT - 0.2) / 2
    axes.text(x, middle, plot_text('\n'.join(lines)), ha='center', va='center', fontsize=7.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From box to box: down, up, or from a column to the next."""
    (x0, y0), (x1, y1) = start, end
    if x0 == x1 and abs(y1 - y0) > 1.5 * DOWN:
        # round the boxes between them
        side, far = x0 + WIDTH / 2, x0 + WIDTH / 2 + 0.15
        points = [(side, y0 - 0.1), (far, y0 - 0.1), (far, y1 + 0.1), (side, y1 + 0.1)]
    elif x0 == x1:
        half = HEIGHT / 2 if y1 > y0 else -HEIGHT / 2
        points = [(x0, y0 + half), (x1, y1 - half)]
    elif y1 > y0:
        points = [(x0, y0 + HEIGHT / 2), (x0, y1), (x1 - WIDTH / 2, y1)]
    elif x1 - x0 < 1.5 * ACROSS and y1 < y0 and x0 < ACROSS:
        # between the two columns of a chain
        middle = (x0 + x1) / 2
        points = [(x0 + WIDTH / 2, y0), (middle, y0), (middle, y1), (x1 - WIDTH / 2, y1)]
    elif y1 < y0:
        # from the end of the encoder over to the decoder, and up to it
        points = [(x0 + WIDTH / 2, y0), (x1, y0), (x1, y1 + HEIGHT / 2)]
    else:
        points = [(x0 + WIDTH / 2, y0), (x1 - WIDTH / 2, y1)]
    _line(axes, points, '0.25', '-')


def _skip(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], source: Stage, adapter: str
) -> None:
    (x0, y0), (x1, y1) = start, end
    points = [(x0 + WIDTH / 2, y0), (x1 - WIDTH / 2, y1)]
    _line(axes, points, '#0072B2', '--')
    lines = [f'skip: {source.channels} x {source.size[1]}x{source.size[0]}']
    lines += textwrap.wrap(adapter, 40)
    middle = ((points[0][0] + points[1][0]) / 2, (y0 + y1) / 2)
    background = dict(facecolor='white', edgecolor='none', pad=1.5)
    axes.text(*middle, '\n'.join(lines), ha='center', va='center', fontsize=7.5, color='#0072B2', bbox=background)  # fmt: skip


def _line(axes: Axes, points: list[tuple[float, float]], colour: str, style: str) -> None:
    *_, before, last = points
    axes.plot(*zip(*points[:-1], strict=True), color=colour, linestyle=style, linewidth=1.1)
    arrow = dict(arrowstyle='-|>', color=colour, linestyle=style, linewidth=1.1, shrinkA=0, shrinkB=0)  # fmt: skip
    axes.annotate('', last, before, arrowprops=arrow)

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

from .plain import plain

# of the parts; the classes have their own in the other pictures
COLOURS = ['#0072b2', '#e69f00', '#009e73', '#888888']


def draw_class_distribution(statistics: Mapping[str, dict], classes: Sequence[str]) -> bytes:
    """Draw each class's share of the pixels, and of the masks, part by part.

    Args:
        statistics (Mapping[str, dict]): Summary of each part.
        classes (Sequence[str]): Names of the classes.

    Returns:
        bytes: The picture, PNG.
    """
    parts = [name for name in statistics if name != 'all parts']
    height = 0.8 / len(parts)
    figure = Figure(figsize=(11, 1.6 + 0.3 * len(classes) * len(parts)), layout='constrained')
    panels = figure.subplots(1, 2, sharey=True)
    for number, part in enumerate(parts):
        rows = statistics[part]['classes']
        pairs = statistics[part]['pairs']
        places = np.arange(len(classes)) + (number - (len(parts) - 1) / 2) * height
        shares = (
            [row['share_percent'] for row in rows],
            [100 * row['masks'] / max(1, pairs) for row in rows],
        )
        for axes, values in zip(panels, shares, strict=True):
            bars = axes.barh(
                places, values, height, color=COLOURS[number], label=f'{plain(part)}: {pairs} pairs'
            )
            axes.bar_label(bars, [f'{value:.3g} %' for value in values], padding=3, fontsize=9)
    panels[0].set_yticks(range(len(classes)), [plain(name) for name in classes])
    panels[0].invert_yaxis()
    # a rare class would be no more than a line
    smallest = min((v for c in panels[0].containers for v in c.datavalues if v > 0), default=1)
    # the limits first: without a sound pair there is nothing to derive them from
    panels[0].set(xlim=(min(0.1, smallest / 3), 400), title='share of the pixels (%, logarithmic)')
    panels[0].set_xscale('log')
    panels[0].xaxis.set_major_formatter('{x:g}')
    panels[1].set(
        xlim=(0, 120), xticks=range(0, 101, 20), title='share of the masks that hold it (%)'
    )
    for axes in panels:
        axes.spines[['top', 'right']].set_visible(False)
    panels[1].legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure_png(figure)

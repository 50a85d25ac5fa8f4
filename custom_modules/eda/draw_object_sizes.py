from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

from .plain import plain

MOST = 12


def draw_object_sizes(
    objects: Sequence[dict],
    palette: Sequence[Sequence[int]],
    pixel: float | None,
    load_size: tuple[int, int] | None,
) -> bytes:
    """Draw how large the objects of each class are, on a scale that doubles.

    Args:
        objects (Sequence[dict]): :func:`object_sizes` of each class but the first.
        palette (Sequence[Sequence[int]]): RGB of each class, the first included.
        pixel (float, optional): Pixels at full size that one pixel at ``load_size`` covers.
        load_size (tuple[int, int], optional): (width, height) of training.

    Returns:
        bytes: The picture, PNG.
    """
    shown = list(zip(objects, palette[1:], strict=True))
    # the most frequent, in their own order; the others are in the tables
    least = sorted((row['count'] for row in objects), reverse=True)[:MOST][-1]
    shown = [pair for pair in shown if pair[0]['count'] >= least][:MOST]
    objects = [row for row, _ in shown]
    figure = Figure(figsize=(8, 0.6 + 2.4 * len(objects)), layout='constrained')
    panels = figure.subplots(len(objects), 1, sharex=True, squeeze=False)[:, 0]
    bins = max(len(row['histogram']['counts']) for row in objects)
    for axes, (row, colour) in zip(panels, shown, strict=True):
        counts = row['histogram']['counts']
        colour = np.array(colour) / 255
        axes.bar(
            np.arange(len(counts)) + 0.5,
            counts,
            0.94,
            color=colour,
            edgecolor='#444444',
            linewidth=0.6,
        )
        median = f', median {row["pixels"]["50"]:g} pixels' if row['count'] else ''
        axes.set_title(f'{plain(row["name"])}: {row["count"]} objects{median}', fontsize=11)
        axes.set_ylabel('objects')
        # room for the words beside the line
        axes.set_ylim(0, 1.25 * max([1, *counts]))
        axes.spines[['top', 'right']].set_visible(False)
        if pixel is not None and row['count']:
            axes.axvline(np.log2(pixel), color='black', linestyle='--', linewidth=1)
            axes.annotate(
                f'one pixel at {load_size[0]}x{load_size[1]}',
                (np.log2(pixel), 1),
                (4, -4),
                xycoords=('data', 'axes fraction'),
                textcoords='offset points',
                va='top',
                fontsize=9,
                bbox=dict(facecolor='white', alpha=0.8, edgecolor='none', pad=1),
            )
    panels[-1].set_xticks(range(bins + 1), [f'{2**i:,}' for i in range(bins + 1)], rotation=45)
    panels[-1].set_xlim(-0.2, max(1, bins) + 0.2)
    panels[-1].set_xlabel('pixels of an object at full size')
    return figure_png(figure)

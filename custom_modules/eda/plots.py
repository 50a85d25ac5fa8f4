"""Figures of a data set."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from custom_modules.utils.plotting import figure_png, plot_text

# of the parts; the classes have their own in the other pictures
COLOURS = ['#0072b2', '#e69f00', '#009e73', '#888888']


def draw_class_distribution(statistics: Mapping[str, dict], classes: Sequence[str]) -> bytes:
    """Draw each class's share of the pixels, and of the masks, part by part (``statistics`` of each), as PNG."""
    parts = [name for name in statistics if name != 'all parts']
    height = 0.8 / len(parts)
    figure = Figure(figsize=(11, 1.6 + 0.3 * len(classes) * len(parts)), layout='constrained')
    panels = figure.subplots(1, 2, sharey=True)
    for number, part in enumerate(parts):
        rows = statistics[part]['classes']
        pairs = statistics[part]['pairs']
        places = np.arange(len(classes)) + (number - (len(parts) - 1) / 2) * height
        pixels = [row['share_percent'] for row in rows]
        masks = [100 * row['masks'] / max(1, pairs) for row in rows]
        for axes, values in zip(panels, (pixels, masks), strict=True):
            style = dict(color=COLOURS[number], label=f'{plot_text(part)}: {pairs} pairs')
            bars = axes.barh(places, values, height, **style)
            axes.bar_label(bars, [f'{value:.3g} %' for value in values], padding=3, fontsize=9)
    panels[0].set_yticks(range(len(classes)), [plot_text(name) for name in classes])
    panels[0].invert_yaxis()
    # a rare class would be no more than a line
    smallest = min((v for c in panels[0].containers for v in c.datavalues if v > 0), default=1)
    # the limits first: without a sound pair there is nothing to derive them from
    panels[0].set(xlim=(min(0.1, smallest / 3), 400), title='share of the pixels (%, logarithmic)')
    panels[0].set_xscale('log')
    panels[0].xaxis.set_major_formatter('{x:g}')
    panels[1].set(xlim=(0, 120), xticks=range(0, 101, 20))
    panels[1].set_title('share of the masks that hold it (%)')
    for axes in panels:
        axes.spines[['top', 'right']].set_visible(False)
    panels[1].legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure_png(figure)


def draw_image_sizes(sizes: Mapping[str, int]) -> bytes:
    """Draw how many images have which size (``'<width>x<height>'``, most frequent first) as dots, eight with numbers, as PNG."""
    figure = Figure(figsize=(6.5, 5), layout='constrained')
    axes = figure.add_subplot()
    most = max(sizes.values(), default=1)
    longest = [1, 1]
    for rank, (name, count) in enumerate(sizes.items()):
        width, height = map(int, name.split('x'))
        longest = [max(longest[0], width), max(longest[1], height)]
        axes.scatter(width, height, 40 + 400 * count / most, '#0072b2', alpha=0.6, linewidths=0)
        if rank < 8:
            text = f'{name}: {count} image{"s" * (count > 1)}'
            axes.annotate(text, (width, height), (0, 14), textcoords='offset points', ha='center')
    title = f'{sum(sizes.values())} images, {len(sizes)} size{"s" * (len(sizes) != 1)}'
    axes.set(xlim=(0, 1.3 * longest[0]), ylim=(0, 1.3 * longest[1]), title=title, aspect='equal')
    axes.set(xlabel='width (pixels)', ylabel='height (pixels)')
    axes.grid(alpha=0.3)
    return figure_png(figure)


MOST = 12


def draw_object_sizes(
    objects: Sequence[dict], palette: Sequence[Sequence[int]], pixel: float | None, load_size: tuple[int, int] | None
) -> bytes:
    """Draw how large the objects of each class but the first are (:func:`describe_objects`), on a scale that doubles, as PNG.

    ``palette`` holds the RGB of all classes, ``pixel`` the pixels at full size that one at ``load_size``, (width, height) of
    training, covers.
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
        style = dict(color=np.array(colour) / 255, edgecolor='#444444', linewidth=0.6)
        axes.bar(np.arange(len(counts)) + 0.5, counts, 0.94, **style)
        median = f', median {row["pixels"]["50"]:g} pixels' if row['count'] else ''
        axes.set_title(f'{plot_text(row["name"])}: {row["count"]} objects{median}', fontsize=11)
        axes.set_ylabel('objects')
        # room for the words beside the line
        axes.set_ylim(0, 1.25 * max([1, *counts]))
        axes.spines[['top', 'right']].set_visible(False)
        if pixel is not None and row['count']:
            axes.axvline(np.log2(pixel), color='black', linestyle='--', linewidth=1)
            words = f'one pixel at {load_size[0]}x{load_size[1]}'
            style = dict(xycoords=('data', 'axes fraction'), textcoords='offset points')
            style['bbox'] = dict(facecolor='white', alpha=0.8, edgecolor='none', pad=1)
            axes.annotate(words, (np.log2(pixel), 1), (4, -4), va='top', fontsize=9, **style)
    panels[-1].set_xticks(range(bins + 1), [f'{2**i:,}' for i in range(bins + 1)], rotation=45)
    panels[-1].set_xlim(-0.2, max(1, bins) + 0.2)
    panels[-1].set_xlabel('pixels of an object at full size')
    return figure_png(figure)


def draw_sample_sheet(
    shown: Sequence[tuple[str, np.ndarray]], classes: Sequence[str], palette: Sequence[Sequence[int]], seed: int
) -> bytes:
    """Draw random pairs, each a caption and a picture, side by side with a legend of the classes, as PNG; ``seed`` is for the title."""
    # width of a picture in inches; rows are as high as their highest picture, which may be a tall one
    columns, width = 3, 4.6
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    tallest = [max(p.shape[0] / p.shape[1] for _, p in row) for row in rows] or [0.2]
    heights = [width * ratio + 0.35 for ratio in tallest]
    figure = Figure(figsize=(width * columns, sum(heights) + 0.8), layout='constrained')
    panels = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, (caption, picture) in zip(panels, shown, strict=False):
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(plot_text(caption), fontsize=10)
    title = f'{len(shown)} random pairs (seed {seed})' if shown else 'no sound pair to show'
    figure.suptitle(title)
    colours = dict(zip(classes[1:], palette[1:], strict=True))
    handles = [Patch(color=np.array(c) / 255, label=plot_text(n)) for n, c in colours.items()]
    style = dict(loc='outside lower center', frameon=False)
    figure.legend(handles=handles, ncols=min(6, len(handles)), **style)
    return figure_png(figure)

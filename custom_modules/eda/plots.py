"""Figures of a data set."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from custom_modules.utils.plotting import figure_png, plot_text

COLOURS = ['#0072b2', '#e69f00', '#009e73', '#888888']  # of the parts
MOST_CLASSES = 12  # in the figure of object sizes


def draw_class_distribution(statistics: Mapping[str, dict], classes: Sequence[str]) -> bytes:
    """Draw the shares of the pixels, and of the masks, that have each class, from the ``statistics`` of each part, as PNG."""
    parts = {name: found for name, found in statistics.items() if name != 'all parts'}
    height = 0.8 / len(parts)
    figure = Figure(figsize=(11, 1.6 + 0.3 * len(classes) * len(parts)), layout='constrained')
    panels = figure.subplots(1, 2, sharey=True)
    for number, (part, found) in enumerate(parts.items()):
        places = np.arange(len(classes)) + (number - (len(parts) - 1) / 2) * height
        pixels = [row['share_percent'] for row in found['classes']]
        masks = [100 * row['masks'] / max(1, found['pairs']) for row in found['classes']]
        label = f'{plot_text(part)}: {found["pairs"]} pairs'
        for axes, values in zip(panels, (pixels, masks), strict=True):
            bars = axes.barh(places, values, height, color=COLOURS[number], label=label)
            axes.bar_label(bars, fmt='%.3g %%', padding=3, fontsize=9)
    panels[0].set_yticks(range(len(classes)), [plot_text(name) for name in classes])
    panels[0].invert_yaxis()
    # on a linear scale the bar of a rare class would be invisible
    panels[0].set_xscale('symlog', linthresh=0.1)
    panels[0].set(xlim=(0, 400), title='share of the pixels (%, logarithmic)')
    panels[1].set(xlim=(0, 120), title='share of the masks that hold it (%)')
    panels[1].legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure_png(figure)


def draw_image_sizes(sizes: Mapping[str, int]) -> bytes:
    """Draw the number of images of each size (``'<width>x<height>'``, most frequent first) as dots, the first eight labelled, as PNG."""
    figure = Figure(figsize=(6.5, 5), layout='constrained')
    axes = figure.add_subplot()
    places = np.array([name.split('x') for name in sizes], int).reshape(-1, 2)
    counts = np.array(list(sizes.values()), float)
    axes.scatter(*places.T, 40 + 400 * counts / max(counts, default=1), '#0072b2', alpha=0.6, linewidths=0)
    for name, place in list(zip(sizes, places, strict=True))[:8]:
        axes.annotate(f'{name}: {sizes[name]}', place, (0, 14), textcoords='offset points', ha='center')
    axes.set(xlabel='width (pixels)', ylabel='height (pixels)', title=f'{counts.sum():.0f} images')
    width, height = places.max(axis=0, initial=1)
    axes.set(xlim=(0, 1.3 * width), ylim=(0, 1.3 * height), aspect='equal')
    axes.grid(alpha=0.3)
    return figure_png(figure)


def draw_object_sizes(
    objects: Sequence[dict], palette: Sequence[Sequence[int]], pixel: float | None, load_size: tuple[int, int] | None
) -> bytes:
    """Draw histograms of the object sizes of each class but the first (:func:`describe_objects`), logarithmic, as PNG.

    ``palette`` holds the RGB of all classes, ``pixel`` the number of pixels at full size that one pixel at ``load_size``,
    (width, height) of training, covers.
    """
    # the most frequent classes in their own order; the others are in the tables
    least = sorted((row['count'] for row in objects), reverse=True)[:MOST_CLASSES][-1]
    shown = [pair for pair in zip(objects, palette[1:], strict=True) if pair[0]['count'] >= least][:MOST_CLASSES]
    figure = Figure(figsize=(8, 0.6 + 2.4 * len(shown)), layout='constrained')
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    bins = max(len(row['histogram']['counts']) for row, _ in shown)
    for axes, (row, colour) in zip(panels, shown, strict=True):
        counts = row['histogram']['counts']
        axes.bar(np.arange(len(counts)) + 0.5, counts, 0.94, color=np.array(colour) / 255, edgecolor='#444444')
        median = f', median {row["pixels"]["50"]:g} pixels' if row['count'] else ''
        axes.set_title(f'{plot_text(row["name"])}: {row["count"]} objects{median}', fontsize=11)
        axes.set_ylabel('objects')
        if pixel is not None and row['count']:
            label = f'one pixel at {load_size[0]}x{load_size[1]}'
            axes.axvline(np.log2(pixel), color='black', linestyle='--', linewidth=1, label=label)
            axes.legend(fontsize=9)
    panels[-1].set_xticks(range(bins + 1), [f'{2**i:,}' for i in range(bins + 1)], rotation=45)
    panels[-1].set_xlim(-0.2, max(1, bins) + 0.2)
    panels[-1].set_xlabel('pixels of an object at full size')
    return figure_png(figure)


def draw_sample_sheet(
    shown: Sequence[tuple[str, np.ndarray]], classes: Sequence[str], palette: Sequence[Sequence[int]], seed: int
) -> bytes:
    """Draw pairs, each a caption and a picture, side by side with a legend of the classes, as PNG; ``seed`` is for the title."""
    columns = 3
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    # each row is as high as its highest picture
    heights = [max(p.shape[0] / p.shape[1] for _, p in row) + 0.1 for row in rows] or [0.2]
    figure = Figure(figsize=(4.6 * columns, 4.6 * sum(heights) + 0.8), layout='constrained')
    panels = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, (caption, picture) in zip(panels, shown, strict=False):
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(plot_text(caption), fontsize=10)
    figure.suptitle(f'{len(shown)} random pairs (seed {seed})')
    named = zip(classes[1:], palette[1:], strict=True)
    handles = [Patch(color=np.array(colour) / 255, label=plot_text(name)) for name, colour in named]
    figure.legend(handles=handles, ncols=min(6, len(handles)), loc='outside lower center', frameon=False)
    return figure_png(figure)

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

# Okabe and Ito's, those that are dark enough for lines on white; the marker tells them apart in grey
STYLES = (('#0072B2', 'o', '-'), ('#D55E00', 's', '--'), ('#009E73', '^', ':'))
ACROSS = 3


def draw_groups(
    table: pd.DataFrame, group: str, lines: Mapping[str, str], xlabel: str, count: str | None = None
) -> bytes:
    """Draw how scores change over groups, one part of the picture for each class.

    Args:
        table (pd.DataFrame): With ``class``, the group, and the lines' columns in percent.
        group (str): Column of the groups' names, in order along the x axis.
        lines (Mapping[str, str]): Columns to draw, at most three, and what the legend calls them.
        xlabel (str): What the groups are, with their unit.
        count (str, optional): Column to write in brackets behind each group's name.

    Returns:
        bytes: The picture, PNG.
    """
    classes = list(dict.fromkeys(table['class']))
    columns = min(len(classes), ACROSS)
    rows = -(-len(classes) // ACROSS)
    width = max(5.6, 0.85 * table[group].nunique() + 1)
    size = (width * columns, 3.8 * rows + 0.6)
    figure = Figure(figsize=size, layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(classes) :]:
        axes.set_axis_off()
    for axes, name in zip(grid, classes, strict=False):
        own = table[table['class'] == name]
        places = range(len(own))
        for (column, words), (colour, marker, dashes) in zip(lines.items(), STYLES, strict=False):
            axes.plot(places, own[column], dashes, color=colour, marker=marker, label=words)
        names = own[group]
        if count:
            names = [f'{group} ({number})' for group, number in zip(names, own[count], strict=True)]
        axes.set_xticks(places, names, rotation=30, ha='right')
        axes.set(title=name.replace('$', r'\$'), xlabel=xlabel, ylabel='%', ylim=(-3, 103))
        axes.grid(alpha=0.3)
    handles, words = grid[0].get_legend_handles_labels()
    figure.legend(handles, words, loc='outside upper center', ncols=len(words))
    return figure_png(figure)

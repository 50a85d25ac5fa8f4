"""Figures of an error analysis."""

import pandas as pd
from matplotlib.figure import Figure

from custom_modules.evaluation.confusion import draw_confusion, percent
from custom_modules.utils.plotting import figure_png, plot_text

# Okabe and Ito's colours that are dark enough for lines on white, with markers for print in grey
STYLES = (('#0072B2', 'o', '-'), ('#D55E00', 's', '--'), ('#009E73', '^', ':'))
ACROSS = 3
SCORES = dict(Dice='Dice', precision='precision', recall='recall')
SIZE_SCORES = dict(recall='pixels found', found='objects found (half or more)', false_alarms='predicted objects that are none')


def draw_calibration(table: pd.DataFrame, xlabel: str, ylabel: str, title: str) -> bytes:
    """Draw a reliability curve (a table of :class:`Calibration`) and below it the pixels of each bin, as PNG."""
    figure = Figure(figsize=(5.4, 6.8), layout='constrained')
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], '--', color='0.5', label='as it should be')
    filled = table[table.pixels > 0]
    upper.plot(filled.probability, filled.right, 'o-', color='#0072B2', label='the model')
    upper.set(title=plot_text(title), ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    upper.legend(fontsize='small')
    lower.bar(table['from'], table.pixels, table['to'] - table['from'], align='edge', color='#56B4E9', edgecolor='white')  # fmt: skip
    lower.set(xlabel=xlabel, ylabel='pixels', yscale='log')
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    return figure_png(figure)


def draw_groups(table: pd.DataFrame, group: str, lines: dict[str, str], xlabel: str, count: str | None = None) -> bytes:
    """Draw scores by group, one plot for each class, as PNG.

    The table has ``class``, the names of the groups in the column ``group``, in order along the x axis, and at most three columns
    in percent: the keys of ``lines``, whose values are for the legend. The column ``count`` is added to the names in brackets.
    """
    classes = list(table['class'].unique())
    columns, rows = min(len(classes), ACROSS), -(-len(classes) // ACROSS)
    width = max(5.6, 0.85 * table[group].nunique() + 1)
    figure = Figure(figsize=(width * columns, 3.8 * rows + 0.6), layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(classes) :]:
        axes.set_axis_off()
    for axes, name in zip(grid, classes, strict=False):
        own = table[table['class'] == name]
        positions = range(len(own))
        for (column, label), (colour, marker, dashes) in zip(lines.items(), STYLES, strict=False):
            axes.plot(positions, own[column], dashes, color=colour, marker=marker, label=label)
        names = own[group]
        if count:
            names = [f'{text} ({number})' for text, number in zip(names, own[count], strict=True)]
        axes.set_xticks(positions, names, rotation=30, ha='right')
        axes.set(title=plot_text(name), xlabel=xlabel, ylabel='%', ylim=(-3, 103))
        axes.grid(alpha=0.3)
    figure.legend(*grid[0].get_legend_handles_labels(), loc='outside upper center', ncols=len(lines))
    return figure_png(figure)


def draw_sweep(table: pd.DataFrame, default: float, best: float, title: str) -> bytes:
    """Draw the scores at each threshold (a table of :class:`ThresholdSweep`), and mark two thresholds, as PNG."""
    figure = Figure(figsize=(7, 4.4), layout='constrained')
    axes = figure.subplots()
    colours = dict(Dice='#0072B2', IoU='#009E73', precision='#D55E00', recall='k')
    for (column, colour), dashes in zip(colours.items(), ('-', '-.', '--', ':'), strict=True):
        axes.plot(table.threshold, table[column], dashes, color=colour, label=column)
    axes.axvline(default, color='0.6', linewidth=1, label=f'config: {default:g}')
    axes.axvline(best, color='0.2', linewidth=1, linestyle='--', label=f'best Dice: {best:g}')
    axes.set(title=plot_text(title), xlabel='threshold on the probability', ylabel='%', xlim=(0, 1), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small', loc='center left', bbox_to_anchor=(1, 0.5))
    return figure_png(figure)


def analysis_pictures(results: dict) -> dict[str, bytes]:
    """Draw the results of :class:`ErrorAnalysis` (with ``thresholds``): PNG pictures by file name."""
    classes = list(results['scores']['class'])
    calibration, confusion, sizes = results['calibration'], results['confusion'], results['object_sizes']
    names = 'probability of the predicted class', 'share that is right'
    if len(classes) == 2:
        names = f'probability of {classes[1]}', f'share that is {classes[1]}'
    title = f'Expected calibration error {calibration["ece"]:.3f}'
    shares = percent(confusion, confusion.sum(axis=1, keepdims=True))
    label = 'mean brightness (0 to 255), in brackets the number of images'
    pictures = {
        'confusion.png': draw_confusion(shares, classes, 'pixels', confusion),
        'calibration.png': draw_calibration(calibration['bins'], *names, title),
        'rows.png': draw_groups(results['rows'], 'band', SCORES, '% of the height from the top'),
        'brightness.png': draw_groups(results['brightness'], 'brightness', SCORES, label, 'images'),
    }
    if len(sizes):
        label = 'area (pixels), in brackets the number of true objects'
        pictures['sizes.png'] = draw_groups(sizes, 'size', SIZE_SCORES, label, 'objects')
    if chosen := results['thresholds']:
        title = f'{classes[1]} on the validation part'
        pictures['thresholds.png'] = draw_sweep(chosen['val'], chosen['default'], chosen['best'], title)
    return pictures

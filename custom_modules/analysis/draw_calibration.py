import pandas as pd
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png


def draw_calibration(table: pd.DataFrame, xlabel: str, ylabel: str, title: str) -> bytes:
    """Draw a reliability curve, above how many pixels each of its bins has.

    Args:
        table (pd.DataFrame): Of :class:`Calibration`.
        xlabel (str): What the probability is of.
        ylabel (str): What share is right.
        title (str): One line.

    Returns:
        bytes: The picture, PNG.
    """
    figure = Figure(figsize=(5.4, 6.8), layout='constrained')
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], '--', color='0.5', label='as it should be')
    filled = table[table.pixels > 0]
    upper.plot(filled.probability, filled.right, 'o-', color='#0072B2', label='the model')
    upper.set(title=title.replace('$', r'\$'), ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    upper.legend(fontsize='small')
    lower.bar(table['from'], table.pixels, table['to'] - table['from'], align='edge', color='#56B4E9', edgecolor='white')  # fmt: skip
    lower.set(xlabel=xlabel, ylabel='pixels', yscale='log')
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    return figure_png(figure)

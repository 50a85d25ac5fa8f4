import pandas as pd
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png


def draw_sweep(table: pd.DataFrame, default: float, best: float, title: str) -> bytes:
    """Draw the scores at each threshold.

    Args:
        table (pd.DataFrame): Of :class:`ThresholdSweep`.
        default (float): The threshold of the config.
        best (float): The threshold with the best Dice.
        title (str): One line.

    Returns:
        bytes: The picture, PNG.
    """
    figure = Figure(figsize=(7, 4.4), layout='constrained')
    axes = figure.subplots()
    styles = dict(
        Dice=('#0072B2', '-'), IoU=('#009E73', '-.'), precision=('#D55E00', '--'), recall=('k', ':')
    )
    for column, (colour, dashes) in styles.items():
        axes.plot(table.threshold, table[column], dashes, color=colour, label=column)
    axes.axvline(default, color='0.6', linewidth=1, label=f'config: {default:g}')
    axes.axvline(best, color='0.2', linewidth=1, linestyle='--', label=f'best Dice: {best:g}')
    axes.set(title=title.replace('$', r'\$'), xlabel='threshold on the probability', ylabel='%')
    axes.set(xlim=(0, 1), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small', loc='center left', bbox_to_anchor=(1, 0.5))
    return figure_png(figure)

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

READABLE = 20


def draw_confusion(shares: np.ndarray, classes: Sequence[str]) -> bytes:
    """Draw a row-normalised confusion matrix, large enough for the names of 200 classes.

    mmpretrain's own plot has a fixed size, and leaves its figure open in pyplot.

    Args:
        shares (np.ndarray): What percentage of each true class (row) was taken for which class (column);
            nan in the row of a class without an image, which is grey.
        classes (Sequence[str]): Name of each class.

    Returns:
        bytes: The picture, PNG.
    """
    cell = 0.45 if len(classes) <= READABLE else 0.16
    side = min(3 + cell * len(classes), 40)
    figure = Figure(figsize=(side, side))
    axes = figure.add_subplot(facecolor='lightgrey')
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100, interpolation='nearest')
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.03)
    bar.set_label("share of the true class's images (%)")
    size = dict(fontsize=9 if len(classes) <= READABLE else 7)
    # a dollar sign would begin a formula
    names = [name.replace('$', r'\$') for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=90, **size)
    axes.set_yticks(range(len(names)), names, **size)
    axes.set_xlabel('predicted class')
    axes.set_ylabel('true class')
    if len(classes) <= READABLE:
        for row, column in np.argwhere(shares >= 0.5):
            share = shares[row, column]
            colour = 'white' if share > 50 else 'black'
            axes.text(column, row, f'{share:.0f}', ha='center', va='center', color=colour, **size)
    return figure_png(figure)

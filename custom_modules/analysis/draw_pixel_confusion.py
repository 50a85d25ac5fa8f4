from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

READABLE = 12


def draw_pixel_confusion(confusion: np.ndarray, classes: Sequence[str]) -> bytes:
    """Draw a confusion matrix of pixels: colours are shares of the true class, cells say share and count.

    Args:
        confusion (np.ndarray): Pixels (classes, classes), rows the true classes, columns the predicted ones.
        classes (Sequence[str]): Name of each class. With more than twelve, cells hold no words.

    Returns:
        bytes: The picture, PNG. The row of a class without a pixel is grey.
    """
    with np.errstate(invalid='ignore'):
        shares = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    written = len(classes) <= READABLE
    side = 2.6 + (1.05 if written else 0.22) * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout='constrained')
    axes = figure.add_subplot(facecolor='lightgrey')
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100, interpolation='nearest')
    figure.colorbar(image, ax=axes, shrink=0.8).set_label("% of the true class's pixels")
    # a dollar sign would begin a formula
    names = [name.replace('$', r'\$') for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=45, ha='right')
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel='predicted class', ylabel='true class')
    if written:
        for row, column in np.argwhere(np.isfinite(shares)):
            share = shares[row, column]
            words = f'{share:.1f} %\n{confusion[row, column]:,}'
            colour = 'white' if share > 60 else 'black'
            axes.text(column, row, words, ha='center', va='center', color=colour, fontsize=9)
    return figure_png(figure)

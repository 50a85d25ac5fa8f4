from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from custom_modules.visualization.figure_png import figure_png

COLUMNS = 5


def draw_models(cells: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """Draw pictures of one image side by side, each with its caption, for pages that are not HTML.

    Args:
        cells (Sequence[tuple[str, np.ndarray]]): Caption and RGB picture (H, W, 3), all of one size.

    Returns:
        bytes: The picture, PNG.
    """
    height, width = cells[0][1].shape[:2]
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    side = 2.4
    size = (side * columns, (side * height / width + 0.5) * rows)
    figure = Figure(figsize=size, layout='constrained')
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, (caption, picture) in zip(panels, cells, strict=False):
        # pixels stay squares: what is shown is what was scored
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(caption.replace('$', r'\$'), fontsize=8)
    return figure_png(figure)

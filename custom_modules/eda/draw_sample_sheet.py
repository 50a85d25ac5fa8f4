from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from custom_modules.visualization.figure_png import figure_png

from .plain import plain

COLUMNS = 3
# inches of a picture
WIDTH = 4.6


def draw_sample_sheet(
    shown: Sequence[tuple[str, np.ndarray]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    seed: int,
) -> bytes:
    """Draw random pairs side by side, the mask over the image.

    Args:
        shown (Sequence[tuple[str, np.ndarray]]): Caption and picture (height, width, 3) of each.
        classes (Sequence[str]): Names of the classes.
        palette (Sequence[Sequence[int]]): RGB of each class.
        seed (int): Seed of the choice, for the title.

    Returns:
        bytes: The picture, PNG.
    """
    rows = [shown[i : i + COLUMNS] for i in range(0, len(shown), COLUMNS)]
    # as high as the highest picture of the row, which may be a tall one
    heights = [max(p.shape[0] / p.shape[1] for _, p in row) for row in rows] or [0.2]
    height = WIDTH * sum(heights) + 0.35 * len(heights) + 0.8
    figure = Figure(figsize=(WIDTH * COLUMNS, height), layout='constrained')
    panels = figure.subplots(
        len(heights), COLUMNS, squeeze=False, height_ratios=[WIDTH * h + 0.35 for h in heights]
    ).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, (caption, picture) in zip(panels, shown, strict=False):
        axes.imshow(picture, interpolation='nearest')
        axes.set_title(plain(caption), fontsize=10)
    figure.suptitle(
        f'{len(shown)} random pairs (seed {seed})' if shown else 'no sound pair to show'
    )
    handles = [
        Patch(color=np.array(colour) / 255, label=plain(name))
        for name, colour in zip(classes[1:], palette[1:], strict=True)
    ]
    figure.legend(
        handles=handles, loc='outside lower center', ncols=min(6, len(handles)), frameon=False
    )
    return figure_png(figure)

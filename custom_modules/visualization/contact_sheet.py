from collections.abc import Mapping, Sequence

import numpy as np

from .legend_strip import legend_strip
from .text_strip import text_strip

GAP = 16


def contact_sheet(
    columns: Mapping[str, Sequence[np.ndarray]], colours: Mapping[str, Sequence[int]]
) -> np.ndarray:
    """Lay pictures out in columns with heads, and one legend for all.

    Args:
        columns (Mapping[str, Sequence[np.ndarray]]): Pictures RGB (H, W, 3) from top to bottom under each head; a head
            without pictures is left out.
        colours (Mapping[str, Sequence[int]]): RGB of each name in the legend.

    Returns:
        np.ndarray: RGB (H, W, 3), uint8.
    """
    laid = []
    for head, pictures in columns.items():
        if pictures:
            width = max(picture.shape[1] for picture in pictures)
            parts = [text_strip(head, width, 22, bold=True)]
            for picture in pictures:
                parts += [picture, np.full((GAP, width, 3), 255, np.uint8)]
            laid.append(np.concatenate([_padded(part, part.shape[0], width) for part in parts]))
    height = max(column.shape[0] for column in laid)
    gap = np.full((height, GAP, 3), 255, np.uint8)
    padded = [part for column in laid for part in (gap, _padded(column, height, column.shape[1]))]
    sheet = np.concatenate([*padded, gap], axis=1)
    return np.concatenate([sheet, legend_strip(colours, sheet.shape[1], 20)])


def _padded(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    missing = (0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)
    return np.pad(picture, missing, constant_values=255)

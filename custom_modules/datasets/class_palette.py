from collections.abc import Sequence

import cv2
import numpy as np

from custom_modules.usage_error import UsageError

# Okabe and Ito's colours, told apart with every common colour blindness, on a dark background
OKABE_ITO = [
    [40, 40, 40], [230, 159, 0], [86, 180, 233], [0, 158, 115],
    [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
]  # fmt: skip


def class_palette(count: int, chosen: Sequence[Sequence[int]] | None = None) -> list[Sequence[int]]:
    """Give classes colours that colour-blind readers can tell apart; class 0 is dark grey.

    Up to eight classes get the colours of Okabe and Ito. Beyond, no set of hues is safe: they get steps of the
    viridis map, whose lightness grows with the index.

    Args:
        count (int): Number of classes.
        chosen (Sequence[Sequence[int]], optional): Colours to use instead.

    Returns:
        list[Sequence[int]]: RGB of each class, 0 to 255.

    Raises:
        UsageError: If the chosen colours are not one for each class.

    Example:
        >>> class_palette(3)
        [[40, 40, 40], [230, 159, 0], [86, 180, 233]]
    """
    if chosen is not None:
        if len(chosen) != count or any(len(colour) != 3 for colour in chosen):
            raise UsageError(
                f'palette holds red, green and blue for each of the {count} classes, got {list(chosen)}: '
                'give one colour each, or leave it out.'
            )
        return list(chosen)
    if count <= len(OKABE_ITO):
        return OKABE_ITO[:count]
    # the map begins as dark as class 0
    steps = np.linspace(50, 255, count - 1).round().astype(np.uint8)
    bgr = cv2.applyColorMap(steps[:, None], cv2.COLORMAP_VIRIDIS)[:, 0]
    return [OKABE_ITO[0], *bgr[:, ::-1].tolist()]

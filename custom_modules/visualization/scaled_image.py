import cv2
import numpy as np
from mmengine.fileio import get

from .decoded_picture import decoded_picture


def scaled_image(path: str, width: int) -> np.ndarray:
    """Read an image, and scale it down if it is wider than it shall be.

    Args:
        path (str): File, or address that mmengine understands.
        width (int): Greatest width.

    Returns:
        np.ndarray: RGB (H, W, 3), uint8.
    """
    image = decoded_picture(get(path))
    if image.shape[1] <= width:
        return image
    size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

from pathlib import Path

import cv2
import numpy as np

from custom_modules.engine import AtomicLocalBackend


def write_picture(picture: np.ndarray, path: str | Path) -> None:
    """Write a picture as PNG, all or nothing.

    Args:
        picture (np.ndarray): RGB (H, W, 3), uint8.
        path (str | Path): Where to; missing folders are made.
    """
    AtomicLocalBackend().put(cv2.imencode('.png', picture[..., ::-1])[1].tobytes(), path)

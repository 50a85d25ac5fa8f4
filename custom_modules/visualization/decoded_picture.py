import cv2
import numpy as np


def decoded_picture(content: bytes) -> np.ndarray:
    """Decode a picture's file to RGB (H, W, 3), uint8.

    Args:
        content (bytes): The file.
    """
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

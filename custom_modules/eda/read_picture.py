from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def read_picture(path: Path, rgb: bool = False) -> tuple[np.ndarray | None, str]:
    """Read a picture as training does: an image turned as its EXIF tag says, a mask as it is stored.

    Pillow, unlike OpenCV, does not fill up a file that is cut short.

    Args:
        path (Path): The file.
        rgb (bool): Whether it is an image, of three channels. Defaults to False: a mask, whose palette's
            indices count, not its colours.

    Returns:
        tuple[np.ndarray | None, str]: Pixels (height, width, 3), or of the mask (height, width) or with the
        channels it should not have; and an empty word. None and the reason where it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            if not rgb:
                return np.asarray(picture), ''
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith('I'):
                # 16 bits of grey: the upper half, as OpenCV does
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            return np.asarray(picture.convert('RGB')), ''
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow repeats the path
        return None, str(error).replace(f" '{path}'", '')

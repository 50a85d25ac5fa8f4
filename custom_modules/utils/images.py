"""Image files: their size, PNG chunks, reading and writing."""

import os
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import write_atomically


def image_size(path):
    """Return width and height of an image from its header, turned as its EXIF tag says.

    Args:
        path: The image, of any format that Pillow reads.

    Raises:
        UsageError: The file is no image that can be read.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # 5 to 8 are quarter turns, which image loaders apply
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f'{path} cannot be read as an image: {error}.') from error
    return (height, width) if turned else (width, height)


class PngFile:
    """One PNG file, read with a clear complaint and written in one step.

    Args:
        path: Where the file is or shall be.
    """

    SIGNATURE = b'\x89PNG\r\n\x1a\n'

    def __init__(self, path):
        self.path = Path(path)

    def size(self):
        """Return width and height in pixels from the header, without decoding.

        Raises:
            UsageError: The file is not a PNG, or it is cut short.
        """
        try:
            with open(self.path, 'rb') as file:
                head = file.read(24)
                file.seek(0, os.SEEK_END)
                file.seek(-min(file.tell(), 64), os.SEEK_END)
                tail = file.read()
        except OSError as error:
            raise UsageError(f'{self.path} cannot be read: {error.strerror}.') from error
        if not head.startswith(self.SIGNATURE) or len(head) < 24:
            raise UsageError(f'{self.path} is not a PNG picture.')
        if b'IEND' not in tail:
            raise UsageError(f'{self.path} is cut short: its end is missing.')
        return int.from_bytes(head[16:20], 'big'), int.from_bytes(head[20:24], 'big')

    def read(self):
        """Return the pixels as they are stored: (height, width) or (height, width, channels).

        Raises:
            UsageError: The file is not a PNG, is cut short or cannot be decoded.
        """
        self.size()  # OpenCV fills up a file that is cut short, with no more than a warning.
        # Through a buffer: imread cannot open every file name on Windows.
        pixels = cv2.imdecode(np.fromfile(self.path, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise UsageError(f'{self.path} cannot be decoded as a picture.')
        return pixels

    def write(self, pixels):
        """Write pixels, (height, width) or (height, width, 3) BGR, uint8."""
        write_atomically(self.path, self.encode(pixels), sync=False)

    @staticmethod
    def encode(pixels):
        """Return pixels as PNG bytes; the same pixels give the same bytes."""
        return cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 4])[1].tobytes()


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
            # in place: a copy of a mosaic takes half a gigabyte
            ImageOps.exif_transpose(picture, in_place=True)
            if picture.mode.startswith('I'):
                # 16 bits of grey: the upper half, as OpenCV does
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            return np.asarray(picture if picture.mode == 'RGB' else picture.convert('RGB')), ''
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow repeats the path
        return None, str(error).replace(f" '{path}'", '')

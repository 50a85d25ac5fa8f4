import functools
from pathlib import Path

import matplotlib
from PIL import ImageFont


@functools.cache
def letters(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load the font that comes with matplotlib: OpenCV's letters are drawn by lines and know only ASCII.

    Args:
        size (int): Height in pixels.
        bold (bool): Whether it is bold. Defaults to False.

    Returns:
        ImageFont.FreeTypeFont: DejaVu Sans, for Pillow.
    """
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)

"""Figures as PNG."""

import functools
import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import ImageFont


def figure_png(figure: Figure) -> bytes:
    """Render a figure, cut to what is drawn.

    Args:
        figure (Figure): Of matplotlib, made without pyplot.

    Returns:
        bytes: The picture, PNG.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110, bbox_inches='tight')
    return buffer.getvalue()


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

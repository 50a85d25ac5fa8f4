"""Figures as PNG, and the words in them."""

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


def plot_text(text: str) -> str:
    r"""Return a name as matplotlib shall write it: a dollar sign would begin a formula.

    Example:
        >>> print(plot_text('$rock$'))
        \$rock\$
    """
    return text.replace('$', r'\$')


@functools.cache
def load_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load the font that comes with matplotlib: OpenCV's letters are drawn by lines and know only ASCII.

    Args:
        size (int): Height in pixels.
        bold (bool): Whether it is bold. Defaults to False.

    Returns:
        ImageFont.FreeTypeFont: DejaVu Sans, for Pillow.
    """
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)

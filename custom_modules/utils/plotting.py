"""Figures as PNG, and the words in them."""

import functools
import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import ImageFont


def figure_png(figure: Figure) -> bytes:
    """Render a figure of matplotlib, made without pyplot and cut to what is drawn, as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110, bbox_inches='tight')
    return buffer.getvalue()


def plot_text(text: str) -> str:
    """Return a name as matplotlib shall write it: a dollar sign would begin a formula."""
    return text.replace('$', r'\$')


@functools.cache
def load_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, which comes with matplotlib, in a height of ``size`` pixels: OpenCV's letters know only ASCII."""
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)

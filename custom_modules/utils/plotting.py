"""Figures as PNG, and text in them."""

import functools
import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import ImageFont


def figure_png(figure: Figure) -> bytes:
    """Render a matplotlib figure, made without pyplot, as PNG, cropped to its content."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110, bbox_inches='tight')
    return buffer.getvalue()


def plot_text(text: str) -> str:
    """Escape dollar signs in a text for matplotlib, which would begin a formula."""
    return text.replace('$', r'\$')


@functools.cache
def load_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load matplotlib's DejaVu Sans, ``size`` pixels high, since OpenCV's own font has only ASCII."""
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)

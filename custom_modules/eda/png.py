import io

from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file, cut to what is drawn."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', bbox_inches='tight', dpi=100)
    return buffer.getvalue()

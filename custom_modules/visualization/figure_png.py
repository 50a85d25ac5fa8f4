import io

from matplotlib.figure import Figure


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

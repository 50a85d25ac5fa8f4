from .play_loader import play_loader
from .png_loader import png_loader
from .turn import Turn


def play_smp_data(turn: Turn, settings: dict) -> None:
    """Read the training loader of :class:`SmpLoop`; see :func:`play_loader`.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        settings (dict): Of :func:`smp_settings`.
    """
    play_loader(turn, lambda: png_loader(settings, train=True), settings['workers'])

from .play_loop import play_loop
from .turn import Turn


def play_smp(turn: Turn, settings: dict, work_dir: str) -> None:
    """Train segmentation-models-pytorch's U-Net of nearest size.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        settings (dict): Of :func:`smp_settings`.
        work_dir (str): Folder for the checkpoints.
    """
    from .smp_loop import SmpLoop

    play_loop(turn, SmpLoop(settings, work_dir))

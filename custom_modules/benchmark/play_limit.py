from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from .limit_loop import limit_loop
from .play_loop import play_loop
from .turn import Turn


def play_limit(turn: Turn, cfg: dict) -> None:
    """Train a config's model in a bare loop over tensors in memory: the limit.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        cfg (dict): The config.
    """
    cfg = Config(cfg)
    import_modules_from_strings(**cfg.custom_imports)
    play_loop(turn, limit_loop(cfg)(cfg))

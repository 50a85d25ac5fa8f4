from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from .classifier_loop import ClassifierLoop
from .play_loop import play_loop
from .segmentor_loop import SegmentorLoop
from .turn import Turn


def play_limit(turn: Turn, cfg: dict) -> None:
    """Train a config's model in a bare loop over tensors in memory: the limit.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        cfg (dict): The config.
    """
    cfg = Config(cfg)
    import_modules_from_strings(**cfg.custom_imports)
    loop = ClassifierLoop if cfg.default_scope == 'mmpretrain' else SegmentorLoop
    play_loop(turn, loop(cfg))

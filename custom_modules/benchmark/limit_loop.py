from mmengine.config import Config

from .bare_loop import BareLoop
from .classifier_loop import ClassifierLoop
from .segmentor_loop import SegmentorLoop


def limit_loop(cfg: Config) -> type[BareLoop]:
    """Return the bare loop that fits a config."""
    return ClassifierLoop if cfg.default_scope == 'mmpretrain' else SegmentorLoop

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing

from .play_loader import play_loader
from .turn import Turn


def play_data(turn: Turn, cfg: dict, workers: int) -> None:
    """Read a config's training loader; see :func:`play_loader`.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        cfg (dict): The config.
        workers (int): Worker processes.
    """
    cfg = Config(cfg)
    import_modules_from_strings(**cfg.custom_imports)
    init_default_scope(cfg.default_scope)
    set_multi_processing(**cfg.env_cfg.mp_cfg)
    settings = cfg.train_dataloader
    settings.num_workers = workers
    settings.persistent_workers = workers > 0
    play_loader(turn, lambda: Runner.build_dataloader(settings, seed=0), workers)

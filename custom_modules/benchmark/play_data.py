import time

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing

from .peak_memory import peak_memory
from .turn import Turn


def play_data(turn: Turn, cfg: dict, workers: int) -> None:
    """Read a config's training loader for two epochs each turn, and do nothing with the batches.

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
    turn.report(dict(workers=workers))
    while True:
        turn.wait()
        start = time.perf_counter()
        loader = Runner.build_dataloader(settings, seed=0)
        build = time.perf_counter() - start
        epochs = [_epoch(loader) for _ in range(2)]
        turn.report(
            dict(
                build_seconds=build,
                first_seconds=epochs[0][0],
                second_seconds=epochs[1][0],
                images=epochs[0][1],
                memory_mib=peak_memory(),
            )
        )


def _epoch(loader) -> tuple[float, int]:
    start, images = time.perf_counter(), 0
    for batch in loader:
        images += len(batch['inputs'])
    return time.perf_counter() - start, images

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import import_modules_from_strings

from .limit_loop import limit_loop
from .memory_batches import MemoryBatches
from .play_loader import play_loader
from .tensors_in_memory import tensors_in_memory
from .turn import Turn


def play_limit_data(turn: Turn, cfg: dict) -> None:
    """Read a config's training images as normalised tensors in memory: the limit; see :func:`play_loader`.

    They lie in the machine's memory, where the other loaders put theirs. To build it is to load them all.

    Args:
        turn (Turn): The line to the :class:`Seat`.
        cfg (dict): The config.
    """
    cfg = Config(cfg)
    import_modules_from_strings(**cfg.custom_imports)
    init_default_scope(cfg.default_scope)
    loader, device = cfg.train_dataloader, torch.device('cpu')
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    # not the training pipeline, which is random
    pipeline, label = cfg.val_dataloader.dataset.pipeline, limit_loop(cfg).label

    def build() -> MemoryBatches:
        data = tensors_in_memory(loader.dataset, pipeline, preprocessor, device, label)
        drop_last = loader.get('drop_last', False)
        return MemoryBatches(data, loader.batch_size, shuffle=True, drop_last=drop_last)

    play_loader(turn, build, workers=0)

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.utils import import_modules_from_strings

from custom_modules.models.pretrained import require_all_tensors

from .load_size import load_size
from .model_facts import model_facts


class ConfigPredictor:
    """A config's model for prediction: the network alone, and from the files of its validation set to class indices.

    Args:
        cfg (dict): The config; without a cache, since files are to be read.
        checkpoint (str, optional): Its weights; without, they are random, which is as fast.
    """

    # what is measured
    kinds = ('network', 'files')

    def __init__(self, cfg: dict, checkpoint: str | None = None) -> None:
        cfg = Config(cfg)
        import_modules_from_strings(**cfg.custom_imports)
        init_default_scope(cfg.default_scope)
        self.device = torch.device(get_device())
        torch.backends.cudnn.benchmark = True
        self.model = MODELS.build(cfg.model)
        if checkpoint:
            require_all_tensors(self.model, checkpoint, part='model')
            load_checkpoint(self.model, checkpoint, map_location='cpu', logger='silent')
        hook = cfg.default_hooks.get('channels_last') or {}
        tuned = bool(hook) and hook.get('enabled', True)
        self.layout = torch.channels_last if tuned else torch.contiguous_format
        self.model.to(self.device, memory_format=self.layout).eval()
        dataset = {k: v for k, v in cfg.val_dataloader.dataset.items() if k != 'cache'}
        self.dataset = DATASETS.build(dataset | dict(test_mode=True))
        self.size = load_size(cfg)[::-1]
        self.facts = model_facts(self.model, self.size, mode='tensor')

    def inputs(self, batch: int) -> torch.Tensor:
        """Make a normalised batch on the device."""
        inputs = torch.randn(batch, 3, *self.size, device=self.device)
        return inputs.to(memory_format=self.layout)

    def network(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute logits."""
        return self.model(inputs, mode='tensor')

    def predict(self, rows: list[int]) -> list[torch.Tensor]:
        """Read images of the validation set and predict each pixel's class."""
        batch = pseudo_collate([self.dataset[row] for row in rows])
        return [sample.pred_sem_seg.data.cpu() for sample in self.model.test_step(batch)]

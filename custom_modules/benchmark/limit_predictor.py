import torch
import torch.nn.functional as F
from mmengine.config import Config

from .class_indices import class_indices
from .config_predictor import ConfigPredictor
from .segmentor_loop import SegmentorLoop
from .tensors_in_memory import tensors_in_memory


class LimitPredictor(ConfigPredictor):
    """The limit: a config's network, channels-last, from normalised tensors in memory to class indices.

    Nothing is read, resized back, packed into samples or copied off the device. Its network alone is the config's network
    alone, and is measured only where the config has no channels-last layout and the two differ.

    Args:
        cfg (dict): The config.
        checkpoint (str, optional): Its weights; without, they are random, which is as fast.
    """

    def __init__(self, cfg: dict, checkpoint: str | None = None) -> None:
        super().__init__(cfg, checkpoint)
        if self.layout == torch.channels_last:
            self.kinds = ('files',)
        self.layout = torch.channels_last
        self.model.to(memory_format=self.layout)
        dataset = Config(cfg).val_dataloader.dataset
        preprocessor = self.model.data_preprocessor
        self.images, _ = tensors_in_memory(
            dataset, dataset.pipeline, preprocessor, self.device, SegmentorLoop.label
        )

    def predict(self, rows: list[int]) -> torch.Tensor:
        """Predict each pixel's class of images in memory."""
        images = self.images[rows].permute(0, 3, 1, 2)
        logits = self.network(images)
        if logits.shape[2:] != images.shape[2:]:
            corners = self.model.decode_head.align_corners
            logits = F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=corners)
        return class_indices(logits)

import torch
from mmengine.device import get_device

from .class_indices import class_indices
from .model_facts import model_facts
from .nearest_unet import nearest_unet
from .png_pairs import PngPairs


class SmpPredictor:
    """The U-Net of segmentation-models-pytorch for prediction, as :class:`ConfigPredictor`.

    Args:
        settings (dict): Of :func:`smp_settings`.
    """

    kinds = ('network', 'files')

    def __init__(self, settings: dict) -> None:
        self.device = torch.device(get_device())
        torch.backends.cudnn.benchmark = True
        self.model, title = nearest_unet(settings['parameters'], settings['channels'])
        self.model.to(self.device).eval()
        norm = (settings['mean'], settings['std'])
        self.dataset = PngPairs(
            settings['val'], settings['size'], settings['label_map'], *norm, flip=False
        )
        self.size = settings['size'][::-1]
        self.facts = model_facts(self.model, self.size) | dict(title=title)

    def inputs(self, batch: int) -> torch.Tensor:
        """Make a normalised batch on the device."""
        return torch.randn(batch, 3, *self.size, device=self.device)

    def network(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute logits."""
        return self.model(inputs)

    def predict(self, rows: list[int]) -> list[torch.Tensor]:
        """Read images of the validation set and predict each pixel's class."""
        images = torch.stack([self.dataset[row][0] for row in rows]).to(self.device)
        return list(class_indices(self.model(images)).cpu())

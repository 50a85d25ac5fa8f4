import numpy as np
import torch
from mmseg.registry import MODELS

from .batch_augment import BatchAugment
from .step_random import StepRandom


@MODELS.register_module()
class BatchRandomNoise(BatchAugment):
    """Add Gaussian noise of random strength to the images; ``RandomNoise`` on a batch.

    Each sample's noise has a seed of its own, so that it is the same however many processes share the batch; it is
    another on a GPU than on a CPU, as torch's generators are.

    Args:
        std (float): Greatest standard deviation in grey values; drawn evenly from 0 on. Defaults to 16.0.
        prob (float): How often a sample is changed. Defaults to 1.0.
    """

    def __init__(self, std: float = 16.0, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.std = std

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the strength and the noise's seed. See the base class."""
        return np.stack([random.uniform(0, self.std), random.integers(2**32)], axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Add noise. See the base class."""
        noise = torch.empty_like(images)
        generator = torch.Generator(images.device)
        for sample, seed in zip(noise, values[:, 1], strict=True):
            sample.normal_(generator=generator.manual_seed(int(seed)))
        return images.addcmul_(noise, self.per_sample(values[:, 0], images)).clamp_(0, 255), masks

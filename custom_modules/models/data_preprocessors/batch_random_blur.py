import numpy as np
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from .batch_augment import BatchAugment
from .step_random import StepRandom


@MODELS.register_module()
class BatchRandomBlur(BatchAugment):
    """Blur the images with a Gaussian of random width; ``RandomBlur`` on a batch.

    Args:
        sigma (float): Greatest standard deviation in pixels; drawn evenly from 0.1 on. Defaults to 1.5.
        prob (float): How often a sample is changed. Defaults to 1.0.
    """

    def __init__(self, sigma: float = 1.5, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.sigma = sigma
        # OpenCV's width for 8 bit
        self.radius = max(1, round(3 * sigma))

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the width. See the base class."""
        return random.uniform(0.1, self.sigma)[:, None]

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Blur along the rows, then along the columns. See the base class."""
        count, channels, height, width = images.shape
        distance = np.arange(-self.radius, self.radius + 1)
        kernels = np.exp(-0.5 * (distance / values) ** 2)
        kernels = np.float32(kernels / kernels.sum(axis=1, keepdims=True))
        kernels = torch.from_numpy(kernels).to(images.device, non_blocking=True)
        # each plane is a group with a kernel of its own
        kernels = kernels.repeat_interleave(channels, dim=0).unsqueeze(1)
        planes = images.reshape(1, count * channels, height, width)
        planes = F.pad(planes, (self.radius,) * 4, mode='reflect')
        planes = F.conv2d(planes, kernels.unsqueeze(2), groups=count * channels)
        planes = F.conv2d(planes, kernels.unsqueeze(3), groups=count * channels)
        # a kernel's sum may exceed 1 by rounding
        return planes.view_as(images).clamp_(0, 255), masks

from collections.abc import Sequence

import numpy as np
import torch
from mmseg.registry import MODELS

from .batch_augment import BatchAugment
from .step_random import StepRandom


@MODELS.register_module()
class BatchPhotoMetricDistortion(BatchAugment):
    """Change brightness, then contrast; mmseg's ``PhotoMetricDistortion`` on a batch, without colour.

    Saturation and hue are left out: the Moon is grey (the channels of the renders lie 0.2 grey values apart, of the
    synthetic scenes 0.8), and the way to HSV and back would cost more than all the rest.

    Args:
        brightness_delta (float): Greatest change of brightness, in grey values. Defaults to 32.
        contrast_range (Sequence[float]): Least and greatest factor, about black. Defaults to (0.5, 1.5).
        prob (float): How often each of the two is applied. Defaults to 0.5, as in mmseg.
    """

    identity = (0.0, 1.0)

    def __init__(
        self,
        brightness_delta: float = 32,
        contrast_range: Sequence[float] = (0.5, 1.5),
        prob: float = 0.5,
    ) -> None:
        super().__init__(prob)
        self.brightness_delta = brightness_delta
        self.contrast_range = contrast_range
        # of each: the base class asks for all
        self.each, self.prob = prob, 1.0

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw what is added and the factor. See the base class."""
        added = random.uniform(-self.brightness_delta, self.brightness_delta)
        added[random.uniform(0, 1) >= self.each] = 0
        factor = random.uniform(*self.contrast_range)
        factor[random.uniform(0, 1) >= self.each] = 1
        return np.stack([added, factor], axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Brighten or darken. See the base class."""
        added, factor = (self.per_sample(column, images) for column in values.T)
        return images.add_(added).clamp_(0, 255).mul_(factor).clamp_(0, 255), masks

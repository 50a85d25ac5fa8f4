from collections.abc import Sequence

import numpy as np
import torch
from mmseg.registry import MODELS

from .batch_augment import BatchAugment
from .step_random import StepRandom


@MODELS.register_module()
class BatchRandomGamma(BatchAugment):
    """Bend the grey values, black and white staying: ``255 * (image / 255) ** gamma``.

    Args:
        gamma_range (Sequence[float]): Least and greatest exponent, drawn evenly in its logarithm, so that as many images
            become darker (above 1) as brighter. Defaults to (0.8, 1.25).
        prob (float): How often a sample is changed. Defaults to 0.5.

    Raises:
        ValueError: If the exponents are not above 0.
    """

    identity = (1.0,)

    def __init__(self, gamma_range: Sequence[float] = (0.8, 1.25), prob: float = 0.5) -> None:
        super().__init__(prob)
        if min(gamma_range) <= 0:
            raise ValueError(f'gamma_range holds exponents above 0, got {tuple(gamma_range)}.')
        self.gamma_range = gamma_range

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the exponent. See the base class."""
        return np.exp(random.uniform(*np.log(self.gamma_range)))[:, None]

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Bend. See the base class."""
        return images.div_(255).pow_(self.per_sample(values[:, 0], images)).mul_(255), masks

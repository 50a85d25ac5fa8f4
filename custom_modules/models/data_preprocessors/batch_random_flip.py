import numpy as np
import torch
from mmseg.registry import MODELS

from .batch_augment import BatchAugment
from .step_random import StepRandom


@MODELS.register_module()
class BatchRandomFlip(BatchAugment):
    """Mirror images and masks; mmcv's ``RandomFlip`` on a batch.

    Args:
        prob (float): How often a sample is mirrored. Defaults to 0.5.
        direction (str): 'horizontal' (left and right change places) or 'vertical'. Defaults to 'horizontal'.

    Raises:
        ValueError: If ``direction`` is another.
    """

    moves = True

    def __init__(self, prob: float = 0.5, direction: str = 'horizontal') -> None:
        super().__init__(prob)
        if direction not in ('horizontal', 'vertical'):
            raise ValueError(f"direction is 'horizontal' or 'vertical', got {direction!r}.")
        self.axis = -1 if direction == 'horizontal' else -2

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw nothing more than whether. See the base class."""
        return np.empty((len(random), 0))

    def apply(self, images, masks, values) -> tuple[torch.Tensor, torch.Tensor]:
        """Mirror. See the base class."""
        return images.flip(self.axis), masks.flip(self.axis)

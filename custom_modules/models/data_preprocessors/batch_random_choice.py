from collections.abc import Sequence

import numpy as np
from mmseg.registry import MODELS

from .batch_augment import BatchAugment
from .step_random import StepRandom


@MODELS.register_module()
class BatchRandomChoice:
    """Give each sample one of several augmentations; mmcv's ``RandomApply`` of a ``RandomChoice`` on a batch.

    Args:
        augments (Sequence[dict]): The batch augmentations to choose from, evenly.
        prob (float): How often a sample gets any. Defaults to 1.0.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, augments: Sequence[dict], prob: float = 1.0) -> None:
        if not augments:
            raise ValueError('augments holds the augmentations to choose from, got none.')
        self.augments: list[BatchAugment] = [MODELS.build(augment) for augment in augments]
        self.prob = prob

    def __call__(self, images, masks, random: StepRandom, chosen: np.ndarray | None = None):
        """Change a random part of the batch. See ``BatchAugment``."""
        hit = random.uniform(0, 1) < self.prob
        if chosen is not None:
            hit &= chosen
        choice = random.integers(len(self.augments))
        for i, augment in enumerate(self.augments):
            images, masks = augment(images, masks, random, hit & (choice == i))
        return images, masks

from abc import ABC, abstractmethod

import numpy as np
import torch

from .step_random import StepRandom


class BatchAugment(ABC):
    """Changes a random part of a batch, each sample by its own random numbers.

    Which samples, and how, is decided on the host: only they are computed, and no device is waited for. A sample whose
    numbers say "no change" is not touched, so that no interpolation blurs it.

    Args:
        prob (float): How often a sample is changed.

    Raises:
        ValueError: If ``prob`` is no probability.
    """

    # whether pixels move, and the mask's with them
    moves = False
    # the row of numbers that changes nothing
    identity: tuple[float, ...] | None = None

    def __init__(self, prob: float) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob is a probability from 0 to 1, got {prob}.')
        self.prob = prob

    @abstractmethod
    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the numbers of all samples.

        Args:
            random (StepRandom): The step's random numbers.

        Returns:
            np.ndarray: (N, K).
        """

    @abstractmethod
    def apply(
        self, images: torch.Tensor, masks: torch.Tensor | None, values: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Change samples, in place or not.

        Args:
            images (Tensor): (N, C, H, W) float32, 0 to 255.
            masks (Tensor, optional): (N, 1, H, W) labels; None where pixels do not move.
            values (np.ndarray): Their rows of ``draw``.

        Returns:
            tuple: Changed images and masks.
        """

    def __call__(
        self,
        images: torch.Tensor,
        masks: torch.Tensor,
        random: StepRandom,
        chosen: np.ndarray | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change a random part of the batch; both tensors may be overwritten.

        Args:
            images (Tensor): (N, C, H, W) float32, 0 to 255.
            masks (Tensor): (N, 1, H, W) labels.
            random (StepRandom): The step's random numbers; as many are drawn whatever happens.
            chosen (np.ndarray, optional): The samples that may change, bool (N,). Defaults to all.

        Returns:
            tuple: Images and masks.
        """
        hit = random.uniform(0, 1) < self.prob
        values = self.draw(random)
        if chosen is not None:
            hit &= chosen
        if self.identity is not None:
            hit &= (values != self.identity).any(axis=1)
        rows = np.flatnonzero(hit)
        if len(rows) == 0:
            return images, masks
        if len(rows) == len(images):
            changed, moved = self.apply(images, masks if self.moves else None, values)
            return changed, moved if self.moves else masks
        index = torch.from_numpy(rows).to(images.device, non_blocking=True)
        some_masks = masks.index_select(0, index) if self.moves else None
        changed, moved = self.apply(images.index_select(0, index), some_masks, values[rows])
        images.index_copy_(0, index, changed)
        if self.moves:
            masks.index_copy_(0, index, moved)
        return images, masks

    @staticmethod
    def per_sample(column: np.ndarray, images: torch.Tensor) -> torch.Tensor:
        """Send one number per sample to the images' device, shaped to multiply them.

        Args:
            column (np.ndarray): (N,).
            images (Tensor): (N, C, H, W).

        Returns:
            Tensor: (N, 1, 1, 1).
        """
        column = torch.from_numpy(np.ascontiguousarray(column, dtype=np.float32))
        return column.to(images.device, non_blocking=True).view(-1, 1, 1, 1)

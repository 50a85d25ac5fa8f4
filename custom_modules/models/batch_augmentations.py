"""Augmentations of a whole batch on the device: their base class, choice and geometry."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from custom_modules.datasets.transforms import AffineRanges
from custom_modules.models.data_preprocessor import StepRandom


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


@MODELS.register_module()
class BatchRandomAffine(AffineRanges, BatchAugment):
    """Rotate, shift and scale images and masks together, about the image's centre; ``RandomAffine`` on a batch.

    One grid for all: the image is interpolated bilinearly, the mask takes the nearest label. mmseg's ``RandomRotate``
    is this with ``degree`` alone.

    Args:
        prob (float): How often a sample is changed. Defaults to 0.5.
        **ranges: ``degree``, ``translate``, ``scale``, ``pad_val`` and ``seg_pad_val`` of :class:`AffineRanges`.
    """

    moves = True
    identity = (0.0, 1.0, 0.0, 0.0)

    def __init__(self, prob: float = 0.5, **ranges) -> None:
        BatchAugment.__init__(self, prob)
        AffineRanges.__init__(self, **ranges)

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw angle, factor and both shifts. See the base class."""
        columns = [
            random.uniform(-self.degree, self.degree),
            random.uniform(1 - self.scale, 1 + self.scale),
            random.uniform(-self.translate, self.translate),
            random.uniform(-self.translate, self.translate),
        ]
        return np.stack(columns, axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, torch.Tensor]:
        """Warp. See the base class."""
        size = images.shape[-2:]
        theta = torch.from_numpy(self._inverse(values, *size)).to(images.device, non_blocking=True)
        grid = F.affine_grid(theta, (len(images), 1, *size), align_corners=False)
        # outside is 0 to grid_sample: what shall lie there is taken off before and put back after
        images = images.sub_(self.pad_val)
        images = F.grid_sample(images, grid, 'bilinear', align_corners=False).add_(self.pad_val)
        labels = masks.float().sub_(self.seg_pad_val)
        labels = F.grid_sample(labels, grid, 'nearest', align_corners=False).add_(self.seg_pad_val)
        return images, labels.to(masks.dtype)

    @staticmethod
    def _inverse(values: np.ndarray, height: int, width: int) -> np.ndarray:
        """From a place in the new image to the old one's, in ``affine_grid``'s units: -1 and 1 are the outer edges."""
        angle, factor, shift_x, shift_y = values.T
        cos, sin = np.cos(np.deg2rad(angle)) / factor, np.sin(np.deg2rad(angle)) / factor
        # half an image is one unit, so a share of it is two
        x, y = 2 * shift_x, 2 * shift_y
        first = [cos, -sin * height / width]
        second = [sin * width / height, cos]
        rows = [[*row, -(row[0] * x + row[1] * y)] for row in (first, second)]
        return np.array(rows, dtype=np.float32).transpose(2, 0, 1).copy()

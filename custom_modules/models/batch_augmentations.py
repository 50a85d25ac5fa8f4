"""Augmentations of a whole batch on the device: random numbers, base class, flip, crop and choice; nothing here needs mmseg."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from mmengine.registry import MODELS


class StepRandom:
    """The random numbers of one training step: a function of seed, step and a sample's place in the batch of all processes.

    They depend neither on interruptions nor on how many processes share the batch of ``total``: sample ``i`` of process ``r``
    of ``n`` has place ``i * n + r``, as mmengine's ``DefaultSampler`` deals them out. They are drawn on the host: a GPU draws
    the same.
    """

    def __init__(self, seed: int, step: int, places, total: int) -> None:
        self.places = np.asarray(places)
        self.total = total
        self.generator = np.random.default_rng((seed, step))

    def __len__(self) -> int:
        return len(self.places)

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Draw evenly from a range, one number per sample, float64 (N,)."""
        return self.generator.uniform(low, high, self.total)[self.places]

    def integers(self, end: int) -> np.ndarray:
        """Draw a whole number from 0 to below ``end`` per sample, int64 (N,)."""
        return self.generator.integers(end, size=self.total)[self.places]


class BatchAugment(ABC):
    """Changes a random part of a batch, each sample by its own random numbers, which the host draws.

    Only changed samples are computed: no interpolation blurs the others.

    Args:
        prob (float): How often a sample is changed.
    """

    # whether pixels move, and the mask's with them
    moves = False
    # the row of numbers that changes nothing
    identity: tuple[float, ...] | None = None

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the numbers of all samples (N, K); none where there is nothing to choose but whether."""
        return np.empty((len(random), 0))

    @abstractmethod
    def apply(
        self, images: torch.Tensor, masks: torch.Tensor | None, values: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Give changed samples, in place or not.

        Args:
            images (Tensor): (N, C, H, W) float32, 0 to 255.
            masks (Tensor, optional): (N, 1, H, W) labels; None where pixels do not move.
            values (np.ndarray): Their rows of ``draw``.
        """

    def __call__(self, images, masks, random: StepRandom, chosen: np.ndarray | None = None):
        """Change a random part of the batch; both tensors may be overwritten.

        Args:
            images (Tensor): (N, C, H, W) float32, 0 to 255.
            masks (Tensor, optional): (N, 1, H, W) labels; None for a classifier.
            random (StepRandom): The step's random numbers; as many are drawn whatever happens.
            chosen (np.ndarray, optional): The samples that may change, bool (N,). Defaults to all.
        """
        hit = random.uniform(0, 1) < self.prob
        values = self.draw(random)
        if chosen is not None:
            hit &= chosen
        if self.identity is not None:
            hit &= (values != self.identity).any(axis=1)
        rows = np.flatnonzero(hit)
        moves = self.moves and masks is not None
        if len(rows) == 0:
            return images, masks
        if len(rows) == len(images):
            changed, moved = self.apply(images, masks if moves else None, values)
            return changed, moved if moves else masks
        # only the changed samples are computed
        index = torch.from_numpy(rows).to(images.device, non_blocking=True)
        some_masks = masks.index_select(0, index) if moves else None
        changed, moved = self.apply(images.index_select(0, index), some_masks, values[rows])
        images.index_copy_(0, index, changed)
        if moves:
            masks.index_copy_(0, index, moved)
        return images, masks

    @staticmethod
    def per_sample(column: np.ndarray, images: torch.Tensor) -> torch.Tensor:
        """Send one number per sample (N,) to the images' device, shaped (N, 1, 1, 1) to multiply them."""
        column = torch.from_numpy(np.ascontiguousarray(column, dtype=np.float32))
        return column.to(images.device, non_blocking=True).view(-1, 1, 1, 1)


@MODELS.register_module()
class BatchRandomChoice:
    """Give each sample one of several augmentations; mmcv's ``RandomApply`` of a ``RandomChoice`` on a batch.

    Args:
        augments (Sequence[dict]): The batch augmentations to choose from, evenly.
        prob (float): How often a sample gets any. Defaults to 1.0.
    """

    def __init__(self, augments: Sequence[dict], prob: float = 1.0) -> None:
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
        direction (str): 'horizontal' (default; left and right change places) or 'vertical'; else a ValueError.
    """

    moves = True

    def __init__(self, prob: float = 0.5, direction: str = 'horizontal') -> None:
        super().__init__(prob)
        if direction not in ('horizontal', 'vertical'):
            raise ValueError(f"direction is 'horizontal' or 'vertical', got {direction!r}.")
        self.axis = -1 if direction == 'horizontal' else -2

    def apply(self, images, masks, values) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mirror. See the base class."""
        return images.flip(self.axis), None if masks is None else masks.flip(self.axis)


@MODELS.register_module()
class BatchRandomResizedCrop:
    """Cut a random part out of each image and bring it to one size; mmpretrain's ``RandomResizedCrop`` on a batch.

    Area and form are drawn as there (`Going Deeper with Convolutions <https://arxiv.org/abs/1409.4842>`_); a side that would
    exceed the image is its whole side, and the part may lie between pixels. Interpolated bilinearly, without anti-aliasing.

    Args:
        size (int): Height and width of what comes out; ``ProgressiveResizeHook`` sets it while training goes on.
        scale (Sequence[float]): Least and greatest share of the image's area. Defaults to (0.35, 1.0).
        ratio (Sequence[float]): Least and greatest width divided by height, as shares of the image's. Defaults to (3/4, 4/3).
    """

    def __init__(
        self, size: int, scale: Sequence[float] = (0.35, 1.0), ratio: Sequence[float] = (3 / 4, 4 / 3)
    ) -> None:
        self.size, self.scale, self.ratio = size, scale, ratio

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw left edge, upper edge, width and height, as shares of the image (N, 4)."""
        area = random.uniform(*self.scale)
        form = np.exp(random.uniform(*np.log(self.ratio)))
        width, height = np.minimum(1, np.sqrt(area * form)), np.minimum(1, np.sqrt(area / form))
        left, top = random.uniform(0, 1) * (1 - width), random.uniform(0, 1) * (1 - height)
        return np.stack([left, top, width, height], axis=1)

    def __call__(self, images, masks, random: StepRandom, chosen: np.ndarray | None = None):
        """Crop all samples; ``chosen`` is not looked at, since a batch has one size. See ``BatchAugment``."""
        left, top, width, height = self.draw(random).T
        zero = np.zeros_like(left)
        # affine_grid's units: -1 and 1 are the image's outer edges
        rows = [[width, zero, 2 * left + width - 1], [zero, height, 2 * top + height - 1]]
        theta = torch.from_numpy(np.array(rows, dtype=np.float32).transpose(2, 0, 1).copy())
        theta = theta.to(images.device, non_blocking=True)
        grid = F.affine_grid(theta, (len(images), 1, self.size, self.size), align_corners=False)
        options = dict(padding_mode='border', align_corners=False)
        if masks is not None:
            masks = F.grid_sample(masks.float(), grid, 'nearest', **options).to(masks.dtype)
        return F.grid_sample(images, grid, 'bilinear', **options), masks


class AugmentsBatches:
    """Mixin of data preprocessors that augment whole batches on their device, in training only.

    The random numbers are those of :class:`StepRandom`. Outside of a run its own calls are counted, from seed 0.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomFlip``, ...). Defaults to none.
        **kwargs: Of the data preprocessor.
    """

    def __init__(self, augments: Sequence[dict] = (), **kwargs) -> None:
        super().__init__(**kwargs)
        self.augments = [MODELS.build(augment) for augment in augments]
        self._calls = 0

    def _random(self, seed: int, step: int, count: int) -> StepRandom:
        total = count * get_world_size()
        return StepRandom(seed, step, range(get_rank(), total, get_world_size()), total)

    def _seed_and_step(self) -> tuple[int, int]:
        hub = MessageHub.get_current_instance()
        # a run that has ended leaves its last iteration behind
        if hub.get_info('loop_stage') == 'train':
            return hub.get_info('seed'), hub.get_info('iter')
        self._calls += 1
        return 0, self._calls - 1

    def _prepare(self, images, masks, random: StepRandom | None, to_rgb: bool) -> tuple:
        """Augment, where there are random numbers, and normalise a copy of images (N, C, H, W), masks (N, 1, H, W) with them."""
        if to_rgb and images.shape[1] == 3:
            images = images.flip(1)
        images = images.to(torch.float32, copy=True)
        # mixed precision is for the network: grey values have more than bfloat16's eight bits
        with torch.autocast(self.device.type, enabled=False):
            for augment in self.augments if random else ():
                images, masks = augment(images, masks, random)
        if self._enable_normalize:
            images = images.sub_(self.mean).div_(self.std)
        return images, masks

    def _stack(self, tensors: list[torch.Tensor]) -> torch.Tensor:
        """One copy to the device in place of one per sample; from pinned memory, so that the host does not wait."""
        out = None
        if self.device.type == 'cuda' and tensors[0].device.type == 'cpu':
            shape = (len(tensors), *tensors[0].shape)
            out = torch.empty(shape, dtype=tensors[0].dtype, pin_memory=True)
        return torch.stack(tensors, out=out).to(self.device, non_blocking=True)

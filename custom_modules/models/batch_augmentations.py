"""Augmentations of a whole batch on its device: random numbers, base class, flip, crop and choice; none of it needs mmseg."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from mmengine.registry import MODELS
from torch import Tensor

from custom_modules.utils.errors import UsageError


class StepRandom:
    """The random numbers of one training step, which follow from seed, step and a sample's place in the batch of all processes.

    They depend neither on a resume nor on the number of processes. ``places`` are those of this process's N samples in the batch of
    all processes, which has ``total`` samples: ``i * n + r`` for sample ``i`` of process ``r`` of ``n``, as in mmengine's
    ``DefaultSampler``. The numbers are drawn on the host, so they are the same for all devices.
    """

    def __init__(self, seed: int, step: int, places: Sequence[int], total: int) -> None:
        self.seed, self.step, self.places, self.total = seed, step, np.asarray(places), total
        self.generator = np.random.default_rng((seed, step))

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Draw one number per sample uniformly from a range, float64 (N,)."""
        return self.generator.uniform(low, high, self.total)[self.places]

    def integers(self, end: int) -> np.ndarray:
        """Draw one integer per sample from 0 to below ``end``, int64 (N,)."""
        return self.generator.integers(end, size=self.total)[self.places]


class BatchAugment(ABC):
    """Base class of augmentations that change a random part of a batch, each sample by its own random numbers.

    Only the chosen samples are computed, so interpolation blurs no others.

    Args:
        prob (float): How often a sample is changed.
    """

    moves = False  # whether pixels move, and the mask's with them
    identity: tuple[float, ...] | None = None  # the row of ``draw`` that changes nothing

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the parameters of all samples (N, K)."""
        return np.empty((len(random.places), 0))

    @abstractmethod
    def apply(self, images: Tensor, masks: Tensor | None, values: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Change samples, in place or not.

        Args:
            images (Tensor): (N, C, H, W) float32, 0 to 255.
            masks (Tensor, optional): (N, 1, H, W) labels; None if ``moves`` is False or there are none.
            values (np.ndarray): The samples' rows of ``draw``.
        """

    def __call__(self, images, masks, random: StepRandom, chosen: np.ndarray | None = None):
        """Change a random part of the batch; both tensors may be overwritten.

        Args:
            images (Tensor): (N, C, H, W) float32, 0 to 255.
            masks (Tensor, optional): (N, 1, H, W) labels; None for a classifier.
            random (StepRandom): The step's random numbers; the same count is drawn in any case.
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
        index = torch.from_numpy(rows).to(images.device, non_blocking=True)
        some_masks = masks.index_select(0, index) if moves else None
        changed, moved = self.apply(images.index_select(0, index), some_masks, values[rows])
        images.index_copy_(0, index, changed)
        if moves:
            masks.index_copy_(0, index, moved)
        return images, masks

    @staticmethod
    def per_sample(column: np.ndarray, images: Tensor) -> Tensor:
        """Move one number per sample (N,) to the images' device, as (N, 1, 1, 1), which broadcasts."""
        column = torch.from_numpy(np.ascontiguousarray(column, dtype=np.float32))
        return column.to(images.device, non_blocking=True).view(-1, 1, 1, 1)


def affine_grid(rows: Sequence[Sequence[np.ndarray]], images: Tensor, size: tuple[int, int]) -> Tensor:
    """Make the grid of ``F.grid_sample`` for results of a ``size`` (height, width), on the images' device.

    ``rows`` are the two rows of each sample's matrix (2, 3, N), which maps coordinates in the result to coordinates in the image.
    """
    theta = torch.from_numpy(np.array(rows, dtype=np.float32).transpose(2, 0, 1).copy())
    return F.affine_grid(theta.to(images.device, non_blocking=True), (len(images), 1, *size), align_corners=False)


@MODELS.register_module()
class BatchRandomChoice:
    """Apply one of several augmentations to each sample; mmcv's ``RandomApply`` of a ``RandomChoice`` on a batch.

    Args:
        augments (Sequence[dict]): The batch augmentations, each chosen equally often.
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

    def apply(self, images, masks, values) -> tuple[Tensor, Tensor | None]:
        """Mirror. See the base class."""
        return images.flip(self.axis), None if masks is None else masks.flip(self.axis)


@MODELS.register_module()
class BatchRandomResizedCrop:
    """Crop a random part of each image and resize it; mmpretrain's ``RandomResizedCrop`` on a batch.

    Area and aspect ratio are drawn as there (`Going Deeper with Convolutions <https://arxiv.org/abs/1409.4842>`_); sides are clipped
    to the image's, and edges may lie between pixels. Interpolated bilinearly, without anti-aliasing.

    Args:
        size (int): Height and width of the result; ``ProgressiveResizeHook`` changes it during training.
        scale (Sequence[float]): Least and greatest share of the image's area. Defaults to (0.35, 1.0).
        ratio (Sequence[float]): Least and greatest aspect ratio, relative to the image's. Defaults to (3/4, 4/3).
    """

    def __init__(self, size: int, scale: Sequence[float] = (0.35, 1.0), ratio: Sequence[float] = (3 / 4, 4 / 3)) -> None:
        self.size, self.scale, self.ratio = size, scale, ratio

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw left edge, upper edge, width and height, as shares of the image (N, 4)."""
        area = random.uniform(*self.scale)
        ratio = np.exp(random.uniform(*np.log(self.ratio)))
        width, height = np.minimum(1, np.sqrt(area * ratio)), np.minimum(1, np.sqrt(area / ratio))
        left, top = random.uniform(0, 1) * (1 - width), random.uniform(0, 1) * (1 - height)
        return np.stack([left, top, width, height], axis=1)

    def __call__(self, images, masks, random: StepRandom, chosen: np.ndarray | None = None):
        """Crop all samples, whatever ``chosen``, since a batch has one size. See ``BatchAugment``."""
        left, top, width, height = self.draw(random).T
        zero = np.zeros_like(left)
        # the image's outer edges are at -1 and 1
        rows = [[width, zero, 2 * left + width - 1], [zero, height, 2 * top + height - 1]]
        grid = affine_grid(rows, images, (self.size, self.size))
        options = dict(padding_mode='border', align_corners=False)
        if masks is not None:
            masks = F.grid_sample(masks.float(), grid, 'nearest', **options).to(masks.dtype)
        return F.grid_sample(images, grid, 'bilinear', **options), masks


class AugmentsBatches:
    """Mixin of data preprocessors: their ``augments`` change whole batches on their device, in training only, with :class:`StepRandom`."""

    def __init__(self, augments: Sequence[dict] = (), **kwargs) -> None:
        super().__init__(**kwargs)
        self.augments = [MODELS.build(augment) for augment in augments]
        self._calls = 0

    def _step_random(self, count: int) -> StepRandom:
        hub = MessageHub.get_current_instance()
        # a finished run leaves its last iteration in the hub: outside of training the calls are counted instead
        if hub.get_info('loop_stage') == 'train':
            seed, step = hub.get_info('seed'), hub.get_info('iter')
        else:
            seed, step = 0, self._calls
            self._calls += 1
        total = count * get_world_size()
        return StepRandom(seed, step, range(get_rank(), total, get_world_size()), total)

    def _prepare(self, images, masks, random: StepRandom | None, to_rgb: bool) -> tuple:
        """Augment (with ``random`` only) and normalise a copy of images (N, C, H, W); masks (N, 1, H, W) may be overwritten."""
        if to_rgb and images.shape[1] == 3:
            images = images.flip(1)
        images = images.to(torch.float32, copy=True)
        # without mixed precision: grey values need more than bfloat16's eight bits
        if random is not None:
            with torch.autocast(self.device.type, enabled=False):
                for augment in self.augments:
                    images, masks = augment(images, masks, random)
        if self._enable_normalize:
            images = images.sub_(self.mean).div_(self.std)
        return images, masks

    def _stack(self, *lists: list[Tensor]) -> list[Tensor]:
        """Stack each list of tensors on the device; a UsageError if their heights or widths (the last two dimensions) differ."""
        if len(sizes := {tuple(tensor.shape[-2:]) for tensors in lists for tensor in tensors}) > 1:
            raise UsageError(
                f'a batch is augmented as one tensor of images and one of masks, and it holds sizes of {sorted(sizes)}: set load_size '
                'of the data set, or resize or augment in the pipeline.'
            )
        stacked = []
        for tensors in lists:
            out = None
            # from pinned memory, and not sample by sample, so that the host does not wait
            if self.device.type == 'cuda' and tensors[0].device.type == 'cpu':
                out = torch.empty((len(tensors), *tensors[0].shape), dtype=tensors[0].dtype, pin_memory=True)
            stacked.append(torch.stack(tensors, out=out).to(self.device, non_blocking=True))
        return stacked

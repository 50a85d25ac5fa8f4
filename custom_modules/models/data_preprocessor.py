"""mmseg's data preprocessor that augments whole batches on the device, and the affine map of images and masks."""

from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from custom_modules.datasets.transforms import AffineRanges
from custom_modules.models.batch_augmentations import AugmentsBatches, BatchAugment, StepRandom


@MODELS.register_module()
class BatchAugPreProcessor(AugmentsBatches, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` that augments the whole batch on its device, in training only.

    In place of random transforms in the data set's pipeline: the data set then gives the same each time (and can be
    cached), and a GPU does the rest. Augmentation comes before normalisation and padding, so grey values are 0 to 255.
    Images of several sizes are augmented by size; a batch of ``WholeBatches`` is never taken apart.

    Written here because ``torchvision.transforms.v2`` would turn a whole batch alike, and kornia draws from torch's global
    generator, which no seed and iteration could replay after a resume.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomFlip``, ...); with none this is a
            ``SegDataPreProcessor``. Defaults to none.
        **kwargs: Those of ``SegDataPreProcessor``.

    Raises:
        ValueError: In training, if a sample's mask is not of its image's size, or it has other maps to move.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and pad a batch, in training augmented first.

        Args:
            data (dict): ``inputs``, a list of (C, H, W) images of 0 to 255, and their ``data_samples``; or images (N, C, H, W) and
                one sample with all masks (N, H, W). It is not changed.
            training (bool): Whether to augment. Defaults to False.
        """
        samples = data.get('data_samples')
        whole = isinstance(samples, SegDataSample)
        if not (whole or (training and self.augments)):
            return super().forward(data, training)
        # mixed precision is for the network: grey values have more than bfloat16's eight bits
        with torch.autocast(self.device.type, enabled=False):
            return (self._whole if whole else self._augmented)(data['inputs'], samples, training)

    def _whole(self, images: torch.Tensor, sample: SegDataSample, training: bool) -> dict:
        size, random = images.shape[-2:], None
        if training and self.augments:
            random = self._random(*self._seed_and_step(), range(len(images)), len(images))
        images = images.to(self.device, non_blocking=True)
        # a copy, which may be changed in place
        masks = sample.gt_sem_seg.data.to(self.device, non_blocking=True, copy=True)
        images, masks = self._prepare(images, masks[:, None], random, self._channel_conversion)
        target = self._target([size])
        images, masks, padding = self._padded(images, masks, target)
        meta = dict(img_shape=torch.Size(size), pad_shape=target, padding_size=padding)
        masks = PixelData(data=masks[:, 0].long())
        return dict(inputs=images, data_samples=SegDataSample(metainfo=meta, gt_sem_seg=masks))

    def _padded(self, images, masks, target: tuple[int, int]) -> tuple:
        """Pad to the right and below; also returns by how much, in ``F.pad``'s order."""
        height, width = images.shape[-2:]
        padding = (0, target[1] - width, 0, target[0] - height)
        if any(padding):
            images = F.pad(images, padding, value=self.pad_val)
            masks = F.pad(masks, padding, value=self.seg_pad_val)
        return images, masks, padding

    def _augmented(self, inputs: list, samples: list, training: bool) -> dict:
        seed, step = self._seed_and_step()
        by_size = defaultdict(list)
        for row, (image, sample) in enumerate(zip(inputs, samples, strict=True)):
            self._check(image, sample)
            by_size[tuple(image.shape[-2:])].append(row)
        target = self._target(by_size)
        parts = []
        for size, rows in by_size.items():
            images = self._stack([inputs[row] for row in rows])
            masks = self._stack([samples[row].gt_sem_seg.data for row in rows])
            # as many numbers for each size: a sample's do not depend on its neighbours
            random = self._random(seed, step, rows, len(inputs))
            prepared = self._prepare(images, masks, random, self._channel_conversion)
            parts.append((size, rows, *prepared))
        return self._assemble(parts, samples, target)

    @staticmethod
    def _check(image: torch.Tensor, sample: SegDataSample) -> None:
        others = set(sample.keys()) - {'gt_sem_seg'}
        if others:
            raise ValueError(
                f'only gt_sem_seg moves with the image, and a sample holds {sorted(others)} too: leave them out, or augment in the pipeline.'
            )
        if sample.gt_sem_seg.data.shape[-2:] != image.shape[-2:]:
            raise ValueError(
                f'an image of {tuple(image.shape[-2:])} pixels has a mask of {tuple(sample.gt_sem_seg.data.shape[-2:])}: they can only be moved '
                'together at one size, so resize both in the pipeline.'
            )

    def _target(self, sizes) -> tuple[int, int]:
        """Height and width of the padded batch, as mmseg's ``stack_batch`` has it."""
        largest = [max(side) for side in zip(*sizes, strict=True)]
        if self.size is not None:
            return tuple(max(pair) for pair in zip(largest, self.size[-2:], strict=True))
        divisor = self.size_divisor or 1
        return tuple(-(-side // divisor) * divisor for side in largest)

    def _assemble(self, parts: list, samples: list, target: tuple[int, int]) -> dict:
        """Pad, and give every sample its mask."""
        packed, batch = [None] * len(samples), None
        for size, rows, images, masks in parts:
            images, masks, padding = self._padded(images, masks, target)
            own = dict(img_shape=torch.Size(size), pad_shape=target, padding_size=padding)
            for row, mask in zip(rows, masks, strict=True):
                meta = samples[row].metainfo | own
                packed[row] = SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=mask))
            if len(parts) == 1:
                return dict(inputs=images, data_samples=packed)
            if batch is None:
                batch = images.new_empty((len(samples), *images.shape[1:]))
            batch.index_copy_(0, torch.tensor(rows).to(batch.device, non_blocking=True), images)
        return dict(inputs=batch, data_samples=packed)


@MODELS.register_module()
class BatchRandomAffine(AffineRanges, BatchAugment):
    """Rotate, shift and scale images and masks together, about the image's centre; ``RandomAffine`` on a batch.

    The image is interpolated bilinearly, the mask takes the nearest label. mmseg's ``RandomRotate`` is this with ``degree`` alone.

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
        angle = random.uniform(-self.degree, self.degree)
        factor = random.uniform(1 - self.scale, 1 + self.scale)
        shifts = [random.uniform(-self.translate, self.translate) for _ in range(2)]
        return np.stack([angle, factor, *shifts], axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Warp. See the base class."""
        size = images.shape[-2:]
        theta = torch.from_numpy(self._inverse(values, *size)).to(images.device, non_blocking=True)
        grid = F.affine_grid(theta, (len(images), 1, *size), align_corners=False)
        # outside is 0 to grid_sample: what shall lie there is taken off before and put back after
        images = images.sub_(self.pad_val)
        images = F.grid_sample(images, grid, 'bilinear', align_corners=False).add_(self.pad_val)
        if masks is None:
            return images, None
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

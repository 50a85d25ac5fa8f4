"""mmseg's data preprocessor with augmentation of whole batches on the device, and an affine augmentation of images and masks."""

import numpy as np
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from custom_modules.datasets.mask_datasets import SegBatch
from custom_modules.datasets.transforms import AffineRanges
from custom_modules.models.batch_augmentations import AugmentsBatches, BatchAugment, StepRandom, affine_grid
from custom_modules.utils.errors import UsageError


@MODELS.register_module()
class BatchAugPreProcessor(AugmentsBatches, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor``, which in training also augments the whole batch on its device.

    So the data set's samples stay the same and can be cached. Augmentation comes before normalisation and padding, at grey values of
    0 to 255; it needs images and masks of one size, and samples without other maps, else it is a UsageError. A
    ``SegBatch`` stays whole. Not used here: ``torchvision.transforms.v2``, which would transform all images of a batch alike, and
    kornia, whose global generator cannot be replayed after a resume.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomFlip``, ...). Defaults to none.
        **kwargs: Those of ``SegDataPreProcessor``.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Augment (in training), normalise and pad a batch, which itself is not changed.

        ``data`` has ``inputs``, a list of (C, H, W) images of 0 to 255, and their ``data_samples``; or images (N, C, H, W) and
        one sample with all masks (N, H, W).
        """
        samples, images = data.get('data_samples'), data['inputs']
        whole, augments = isinstance(samples, SegBatch), training and self.augments
        if not (whole or augments):
            return super().forward(data, training)
        if whole:
            images = images.to(self.device, non_blocking=True)
            # a copy, which may be changed in place
            masks = samples.gt_sem_seg.data.to(self.device, non_blocking=True, copy=True)[:, None]
        else:
            if others := set().union(*(sample.keys() for sample in samples)) - {'gt_sem_seg'}:
                raise UsageError(
                    f'images and masks are augmented, and samples also hold {sorted(others)}: augment in the pipeline.'
                )
            masks = [sample.gt_sem_seg.data for sample in samples]
            images, masks = self._stack(images, masks)
        random = self._step_random(len(images)) if augments else None
        images, masks = self._prepare(images, masks, random, self._channel_conversion)
        size = images.shape[-2:]
        if self.size is not None:
            target = tuple(map(max, size, self.size[-2:]))
        else:
            divisor = self.size_divisor or 1
            target = tuple(-(-side // divisor) * divisor for side in size)
        padding = (0, target[1] - size[1], 0, target[0] - size[0])  # left, right, top, bottom
        if any(padding):
            images = F.pad(images, padding, value=self.pad_val)
            masks = F.pad(masks, padding, value=self.seg_pad_val)
        meta = dict(img_shape=size, pad_shape=target, padding_size=padding)
        if whole:
            packed = SegBatch(metainfo=meta, gt_sem_seg=PixelData(data=masks[:, 0].long()))
        else:
            metas = [sample.metainfo | meta for sample in samples]
            packed = [SegDataSample(metainfo=m, gt_sem_seg=PixelData(data=mask)) for m, mask in zip(metas, masks, strict=True)]
        return dict(inputs=images, data_samples=packed)


@MODELS.register_module()
class BatchRandomAffine(AffineRanges, BatchAugment):
    """Rotate, shift and scale images (bilinear) and masks (nearest) together, about the centre; ``RandomAffine`` on a batch.

    With ``degree`` alone it is mmseg's ``RandomRotate``.

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
        shifts = (random.uniform(-self.translate, self.translate) for _ in range(2))
        return np.stack([angle, factor, *shifts], axis=1)

    def apply(self, images, masks, values) -> tuple[Tensor, Tensor | None]:
        """Warp. See the base class."""
        height, width = images.shape[-2:]
        angle, factor, shift_x, shift_y = values.T
        cos, sin = np.cos(np.deg2rad(angle)) / factor, np.sin(np.deg2rad(angle)) / factor
        # in the coordinates of affine_grid the image is 2 wide and 2 high
        x, y = 2 * shift_x, 2 * shift_y
        rotation = [cos, -sin * height / width], [sin * width / height, cos]
        rows = [[*row, -(row[0] * x + row[1] * y)] for row in rotation]
        grid = affine_grid(rows, images, (height, width))
        # grid_sample pads with 0: subtracting the padding value before and adding it after pads with that value
        images = images.sub_(self.pad_val)
        images = F.grid_sample(images, grid, 'bilinear', align_corners=False).add_(self.pad_val)
        if masks is None:
            return images, None
        labels = masks.float().sub_(self.seg_pad_val)
        labels = F.grid_sample(labels, grid, 'nearest', align_corners=False).add_(self.seg_pad_val)
        return images, labels.to(masks.dtype)

"""mmseg's data preprocessor that augments whole batches on the device, and the affine map of images and masks."""

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from custom_modules.datasets.transforms import AffineRanges
from custom_modules.models.batch_augmentations import AugmentsBatches, BatchAugment, StepRandom
from custom_modules.utils.errors import UsageError


@MODELS.register_module()
class BatchAugPreProcessor(AugmentsBatches, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` that augments the whole batch on its device, in training only.

    The data set then gives the same each time and can be cached. Augmentation comes before normalisation and padding, so grey
    values are 0 to 255. All images are of one size; a batch of ``DecodeOnce`` is never taken apart. Written here because
    ``torchvision.transforms.v2`` would turn a whole batch alike, and kornia draws from torch's global generator, which no seed
    and iteration could replay after a resume.

    Args:
        augments (Sequence[dict]): Batch augmentations in their order (``BatchRandomFlip``, ...). Defaults to none.
        **kwargs: Those of ``SegDataPreProcessor``.

    Raises:
        UsageError: In training with ``augments``, if images or masks differ in size, or a sample has other maps to move.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and pad a batch, in training augmented first.

        Args:
            data (dict): ``inputs``, a list of (C, H, W) images of 0 to 255, and their ``data_samples``; or images (N, C, H, W) and
                one sample with all masks (N, H, W). It is not changed.
            training (bool): Whether to augment. Defaults to False.
        """
        samples, images = data.get('data_samples'), data['inputs']
        whole, augments = isinstance(samples, SegDataSample), training and self.augments
        if not (whole or augments):
            return super().forward(data, training)
        if whole:
            images = images.to(self.device, non_blocking=True)
            # a copy, which may be changed in place
            masks = samples.gt_sem_seg.data.to(self.device, non_blocking=True, copy=True)[:, None]
        else:
            self._require_one_size(images, samples)
            masks = self._stack([sample.gt_sem_seg.data for sample in samples])
            images = self._stack(images)
        random = self._random(*self._seed_and_step(), len(images)) if augments else None
        images, masks = self._prepare(images, masks, random, self._channel_conversion)
        size = images.shape[-2:]
        if self.size is not None:
            target = tuple(map(max, size, self.size[-2:]))
        else:
            divisor = self.size_divisor or 1
            target = tuple(-(-side // divisor) * divisor for side in size)
        # to the right and below
        padding = (0, target[1] - size[1], 0, target[0] - size[0])
        if any(padding):
            images = F.pad(images, padding, value=self.pad_val)
            masks = F.pad(masks, padding, value=self.seg_pad_val)
        meta = dict(img_shape=size, pad_shape=target, padding_size=padding)
        if whole:
            masks = PixelData(data=masks[:, 0].long())
            return dict(inputs=images, data_samples=SegDataSample(metainfo=meta, gt_sem_seg=masks))
        packed = [
            SegDataSample(metainfo=sample.metainfo | meta, gt_sem_seg=PixelData(data=mask))
            for sample, mask in zip(samples, masks, strict=True)
        ]
        return dict(inputs=images, data_samples=packed)

    @staticmethod
    def _require_one_size(images: list[torch.Tensor], samples: list[SegDataSample]) -> None:
        others = set().union(*(sample.keys() for sample in samples)) - {'gt_sem_seg'}
        arrays = [*images, *(sample.gt_sem_seg.data for sample in samples)]
        sizes = {tuple(array.shape[-2:]) for array in arrays}
        if others or len(sizes) > 1:
            raise UsageError(
                f'a batch is augmented as one tensor of images and one of masks, and it holds sizes of {sorted(sizes)} and '
                f'{sorted(others) or "nothing else"}: set load_size of the data set, or augment in the pipeline.'
            )


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
        shifts = (random.uniform(-self.translate, self.translate) for _ in range(2))
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
        turned = [cos, -sin * height / width], [sin * width / height, cos]
        rows = [[*row, -(row[0] * x + row[1] * y)] for row in turned]
        return np.array(rows, dtype=np.float32).transpose(2, 0, 1).copy()

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from custom_modules.datasets.transforms.affine_ranges import AffineRanges

from .batch_augment import BatchAugment
from .step_random import StepRandom


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

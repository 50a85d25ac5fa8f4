import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from .affine_ranges import AffineRanges


@TRANSFORMS.register_module()
class RandomAffine(AffineRanges, BaseTransform):
    """Rotate, shift and scale image and mask together, about the image's centre.

    mmseg has a rotation only. Each of the three is drawn evenly from its range, for all three at once with
    probability ``prob``.

    Required keys: img, gt_seg_map (optional). Modified keys: img, gt_seg_map.

    Args:
        prob (float): How often the transform is applied. Defaults to 0.5.
        **ranges: ``degree``, ``translate``, ``scale``, ``pad_val`` and ``seg_pad_val`` of :class:`AffineRanges`.
    """

    def __init__(self, prob: float = 0.5, **ranges) -> None:
        self.prob = prob
        AffineRanges.__init__(self, **ranges)

    def transform(self, results: dict) -> dict:
        """Transform a sample.

        Args:
            results (dict): With ``img`` (H, W, C) and the masks of ``seg_fields`` (H, W).

        Returns:
            dict: The same with the warped image and masks.
        """
        matrix = self._random_matrix(*results['img'].shape[1::-1])
        if matrix is None:
            return results
        size = results['img'].shape[1::-1]
        results['img'] = cv2.warpAffine(
            results['img'],
            matrix,
            size,
            flags=cv2.INTER_LINEAR,
            borderValue=(self.pad_val,) * 3,
        )
        for key in results.get('seg_fields', []):
            results[key] = cv2.warpAffine(
                results[key],
                matrix,
                size,
                flags=cv2.INTER_NEAREST,
                borderValue=self.seg_pad_val,
            )
        return results

    @cache_randomness
    def _random_matrix(self, width: int, height: int) -> np.ndarray | None:
        if np.random.rand() >= self.prob:
            return None
        angle = np.random.uniform(-self.degree, self.degree)
        factor = np.random.uniform(1 - self.scale, 1 + self.scale)
        # pixel centres lie on whole numbers
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, factor)
        matrix[:, 2] += np.random.uniform(-self.translate, self.translate, 2) * (width, height)
        return matrix

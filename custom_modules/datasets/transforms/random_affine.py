import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomAffine(BaseTransform):
    """Rotate, shift and scale image and mask together, about the image's centre.

    mmseg has a rotation only. Each of the three is drawn evenly from its range, for all three at once with
    probability ``prob``.

    Required keys: img, gt_seg_map (optional). Modified keys: img, gt_seg_map.

    Args:
        prob (float): How often the transform is applied. Defaults to 0.5.
        degree (float): Greatest rotation to either side, in degrees. Defaults to 0.
        translate (float): Greatest shift, as a share of width and height. Defaults to 0.
        scale (float): Greatest change of size: 0.1 gives 0.9 to 1.1. Defaults to 0.
        pad_val (int): Grey value of what comes in from outside the image. Defaults to 0.
        seg_pad_val (int): Label of it. Defaults to 255, which losses and scores ignore.

    Raises:
        ValueError: If ``translate`` or ``scale`` is no share from 0 to below 1.
    """

    def __init__(
        self,
        prob: float = 0.5,
        degree: float = 0.0,
        translate: float = 0.0,
        scale: float = 0.0,
        pad_val: int = 0,
        seg_pad_val: int = 255,
    ) -> None:
        if not (0 <= translate < 1 and 0 <= scale < 1):
            raise ValueError(
                f'translate and scale are shares from 0 to below 1, got {translate} and {scale}.'
            )
        self.prob = prob
        self.degree = degree
        self.translate = translate
        self.scale = scale
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val

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

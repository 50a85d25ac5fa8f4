import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Blur the image with a Gaussian of random width.

    mmseg's ``BioMedicalGaussianBlur`` takes the first axis for channels, and so blurs only along the rows of
    an image (H, W, C).

    Required keys: img. Modified keys: img.

    Args:
        sigma (float): Greatest standard deviation in pixels; drawn evenly from 0.1 on. Defaults to 1.5.
        prob (float): How often the transform is applied. Defaults to 1.0.
    """

    def __init__(self, sigma: float = 1.5, prob: float = 1.0) -> None:
        self.sigma = sigma
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Blur a sample.

        Args:
            results (dict): With ``img`` (H, W, C).

        Returns:
            dict: The same with a blurred image.
        """
        sigma = self._random_sigma()
        if sigma is not None:
            results['img'] = cv2.GaussianBlur(results['img'], (0, 0), sigma)
        return results

    @cache_randomness
    def _random_sigma(self) -> float | None:
        return np.random.uniform(0.1, self.sigma) if np.random.rand() < self.prob else None

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomNoise(BaseTransform):
    """Add Gaussian noise of random strength to the image.

    mmseg's ``BioMedicalGaussianNoise`` wraps around in 8 bit: a black sky becomes a bright one.

    Required keys: img (8 bit). Modified keys: img.

    Args:
        std (float): Greatest standard deviation in grey values; drawn evenly from 0 on. Defaults to 16.0.
        prob (float): How often the transform is applied. Defaults to 1.0.
    """

    def __init__(self, std: float = 16.0, prob: float = 1.0) -> None:
        self.std = std
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Add noise to a sample.

        Args:
            results (dict): With ``img`` (H, W, C).

        Returns:
            dict: The same with a noisy image.
        """
        noise = self._random_noise(results['img'].shape)
        if noise is not None:
            results['img'] = (results['img'] + noise).round().clip(0, 255).astype(np.uint8)
        return results

    @cache_randomness
    def _random_noise(self, shape: tuple[int, ...]) -> np.ndarray | None:
        if np.random.rand() >= self.prob:
            return None
        return np.random.normal(0, np.random.uniform(0, self.std), shape)

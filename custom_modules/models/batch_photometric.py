"""Augmentations of a whole batch on its device: brightness, colour, blur and noise."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from custom_modules.models.batch_augmentations import BatchAugment, StepRandom


@MODELS.register_module()
class BatchPhotoMetricDistortion(BatchAugment):
    """Change brightness, then contrast; mmseg's ``PhotoMetricDistortion`` on a batch.

    Without saturation and hue: the Moon is grey, and converting to HSV and back would cost more than all the rest.

    Args:
        brightness_delta (float): Greatest change of brightness, in grey values. Defaults to 32.
        contrast_range (Sequence[float]): Least and greatest factor, about black. Defaults to (0.5, 1.5).
        prob (float): How often each of the two is applied. Defaults to 0.5, as in mmseg.
    """

    identity = (0.0, 1.0)

    def __init__(self, brightness_delta: float = 32, contrast_range: Sequence[float] = (0.5, 1.5), prob: float = 0.5) -> None:
        super().__init__(prob=1.0)  # ``draw`` decides for each of the two
        self.brightness_delta, self.contrast_range, self.each_prob = brightness_delta, contrast_range, prob

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw summand and factor. See the base class."""
        added = random.uniform(-self.brightness_delta, self.brightness_delta)
        added[random.uniform(0, 1) >= self.each_prob] = 0
        factor = random.uniform(*self.contrast_range)
        factor[random.uniform(0, 1) >= self.each_prob] = 1
        return np.stack([added, factor], axis=1)

    def apply(self, images, masks, values) -> tuple[Tensor, None]:
        """Add and multiply. See the base class."""
        added, factor = (self.per_sample(column, images) for column in values.T)
        return images.add_(added).clamp_(0, 255).mul_(factor).clamp_(0, 255), masks


@MODELS.register_module()
class BatchRandomBlur(BatchAugment):
    """Blur the images with a Gaussian of random width; ``RandomBlur`` on a batch.

    Args:
        sigma (float): Greatest standard deviation in pixels, drawn uniformly from 0.1 on. Defaults to 1.5.
        prob (float): How often a sample is changed. Defaults to 1.0.
    """

    def __init__(self, sigma: float = 1.5, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.sigma = sigma
        # as OpenCV's kernels for 8 bits
        self.radius = max(1, round(3 * sigma))

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the standard deviation. See the base class."""
        return random.uniform(0.1, self.sigma)[:, None]

    def apply(self, images, masks, values) -> tuple[Tensor, None]:
        """Blur along the rows, then along the columns. See the base class."""
        count, channels, height, width = images.shape
        kernels = np.exp(-0.5 * (np.arange(-self.radius, self.radius + 1) / values) ** 2)
        kernels = np.float32(kernels / kernels.sum(axis=1, keepdims=True))
        kernels = torch.from_numpy(kernels).to(images.device, non_blocking=True)
        # each channel of each image is a group with its own kernel
        kernels = kernels.repeat_interleave(channels, dim=0).unsqueeze(1)
        planes = images.reshape(1, count * channels, height, width)
        planes = F.pad(planes, (self.radius,) * 4, mode='reflect')
        planes = F.conv2d(planes, kernels.unsqueeze(2), groups=count * channels)
        planes = F.conv2d(planes, kernels.unsqueeze(3), groups=count * channels)
        # the sum of a kernel may exceed 1 by rounding
        return planes.view_as(images).clamp_(0, 255), masks


@MODELS.register_module()
class BatchRandomGamma(BatchAugment):
    """Apply a gamma curve, which keeps black and white: ``255 * (image / 255) ** gamma``.

    Args:
        gamma_range (Sequence[float]): Least and greatest exponent, above 0; log-uniform, so that with the default (0.8, 1.25) as
            many images become darker (above 1) as brighter.
        prob (float): How often a sample is changed. Defaults to 0.5.
    """

    identity = (1.0,)

    def __init__(self, gamma_range: Sequence[float] = (0.8, 1.25), prob: float = 0.5) -> None:
        super().__init__(prob)
        self.gamma_range = gamma_range

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the exponent. See the base class."""
        return np.exp(random.uniform(*np.log(self.gamma_range)))[:, None]

    def apply(self, images, masks, values) -> tuple[Tensor, None]:
        """Apply the curve. See the base class."""
        return images.div_(255).pow_(self.per_sample(values[:, 0], images)).mul_(255), masks


@MODELS.register_module()
class BatchRandomNoise(BatchAugment):
    """Add Gaussian noise of random strength to the images; ``RandomNoise`` on a batch.

    Each sample's noise has its own seed, so it does not depend on the number of processes. torch's generators, and so the noise,
    differ between GPU and CPU.

    Args:
        std (float): Greatest standard deviation in grey values, drawn uniformly from 0 on. Defaults to 16.0.
        prob (float): How often a sample is changed. Defaults to 1.0.
    """

    def __init__(self, std: float = 16.0, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.std = std

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the standard deviation and the seed of the noise. See the base class."""
        return np.stack([random.uniform(0, self.std), random.integers(2**32)], axis=1)

    def apply(self, images, masks, values) -> tuple[Tensor, None]:
        """Add noise. See the base class."""
        noise = torch.empty_like(images)
        generator = torch.Generator(images.device)
        for sample, seed in zip(noise, values[:, 1], strict=True):
            sample.normal_(generator=generator.manual_seed(int(seed)))
        return images.addcmul_(noise, self.per_sample(values[:, 0], images)).clamp_(0, 255), masks


def _grey(images: Tensor) -> Tensor:
    """Convert RGB (N, 3, H, W) to grey (N, 1, H, W) with OpenCV's weights."""
    red, green, blue = images.split(1, dim=1)
    return (0.299 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)


@MODELS.register_module()
class BatchColorJitter(BatchAugment):
    """Change brightness, then contrast, then saturation; mmpretrain's ``ColorJitter`` on a batch of RGB images.

    Contrast scales distances to the image's mean grey value, saturation those to each pixel's. The order is fixed and values are
    clipped only at the end, so that all three take one pass over the images.

    Args:
        brightness, contrast, saturation (float): Greatest change of each factor from 1, 0 (default) to 1.
    """

    identity = (1.0, 1.0, 1.0)

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> None:
        super().__init__(prob=1.0)
        self.changes = (brightness, contrast, saturation)

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the three factors. See the base class."""
        return np.stack([random.uniform(1 - change, 1 + change) for change in self.changes], axis=1)

    def apply(self, images, masks, values) -> tuple[Tensor, None]:
        """Change colours. See the base class."""
        brightness, contrast, saturation = values.T
        both = brightness * contrast
        factors = (both * saturation, both * (1 - saturation), brightness * (1 - contrast))
        of_image, of_grey, of_mean = (self.per_sample(factor, images) for factor in factors)
        grey = _grey(images)
        mean = grey.mean(dim=(2, 3), keepdim=True)
        added = grey.mul_(of_grey).add_(mean.mul_(of_mean))
        return images.mul_(of_image).add_(added).clamp_(0, 255), masks


@MODELS.register_module()
class BatchRandomGrayscale(BatchAugment):
    """Convert to grey in three equal channels; mmpretrain's ``RandomGrayscale`` on a batch of RGB images.

    Args:
        prob (float): How often a sample is changed. Defaults to 0.1.
    """

    def __init__(self, prob: float = 0.1) -> None:
        super().__init__(prob)

    def apply(self, images, masks, values) -> tuple[Tensor, None]:
        """Convert to grey. See the base class."""
        return _grey(images).expand_as(images).contiguous(), masks

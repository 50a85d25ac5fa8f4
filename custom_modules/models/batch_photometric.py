"""Augmentations of a whole batch on the device: brightness, colour, blur and noise."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS

from custom_modules.models.batch_augmentations import BatchAugment, StepRandom

# of red, green and blue in grey, as OpenCV has it
GREY = (0.299, 0.587, 0.114)


@MODELS.register_module()
class BatchPhotoMetricDistortion(BatchAugment):
    """Change brightness, then contrast; mmseg's ``PhotoMetricDistortion`` on a batch, without colour.

    Saturation and hue are left out: the Moon is grey, and the way to HSV and back would cost more than all the rest.

    Args:
        brightness_delta (float): Greatest change of brightness, in grey values. Defaults to 32.
        contrast_range (Sequence[float]): Least and greatest factor, about black. Defaults to (0.5, 1.5).
        prob (float): How often each of the two is applied. Defaults to 0.5, as in mmseg.
    """

    identity = (0.0, 1.0)

    def __init__(
        self, brightness_delta: float = 32, contrast_range: Sequence[float] = (0.5, 1.5), prob: float = 0.5
    ) -> None:
        super().__init__(prob)
        self.brightness_delta, self.contrast_range = brightness_delta, contrast_range
        # of each: the base class asks for all
        self.each, self.prob = prob, 1.0

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw what is added and the factor. See the base class."""
        added = random.uniform(-self.brightness_delta, self.brightness_delta)
        added[random.uniform(0, 1) >= self.each] = 0
        factor = random.uniform(*self.contrast_range)
        factor[random.uniform(0, 1) >= self.each] = 1
        return np.stack([added, factor], axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Brighten or darken. See the base class."""
        added, factor = (self.per_sample(column, images) for column in values.T)
        return images.add_(added).clamp_(0, 255).mul_(factor).clamp_(0, 255), masks


@MODELS.register_module()
class BatchRandomBlur(BatchAugment):
    """Blur the images with a Gaussian of random width; ``RandomBlur`` on a batch.

    Args:
        sigma (float): Greatest standard deviation in pixels; drawn evenly from 0.1 on. Defaults to 1.5.
        prob (float): How often a sample is changed. Defaults to 1.0.
    """

    def __init__(self, sigma: float = 1.5, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.sigma = sigma
        # OpenCV's width for 8 bit
        self.radius = max(1, round(3 * sigma))

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the width. See the base class."""
        return random.uniform(0.1, self.sigma)[:, None]

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Blur along the rows, then along the columns. See the base class."""
        count, channels, height, width = images.shape
        distance = np.arange(-self.radius, self.radius + 1)
        kernels = np.exp(-0.5 * (distance / values) ** 2)
        kernels = np.float32(kernels / kernels.sum(axis=1, keepdims=True))
        kernels = torch.from_numpy(kernels).to(images.device, non_blocking=True)
        # each plane is a group with a kernel of its own
        kernels = kernels.repeat_interleave(channels, dim=0).unsqueeze(1)
        planes = images.reshape(1, count * channels, height, width)
        planes = F.pad(planes, (self.radius,) * 4, mode='reflect')
        planes = F.conv2d(planes, kernels.unsqueeze(2), groups=count * channels)
        planes = F.conv2d(planes, kernels.unsqueeze(3), groups=count * channels)
        # a kernel's sum may exceed 1 by rounding
        return planes.view_as(images).clamp_(0, 255), masks


@MODELS.register_module()
class BatchRandomGamma(BatchAugment):
    """Bend the grey values, black and white staying: ``255 * (image / 255) ** gamma``.

    Args:
        gamma_range (Sequence[float]): Least and greatest exponent, above 0, drawn evenly in its logarithm,
            so that as many images become darker (above 1) as brighter. Defaults to (0.8, 1.25).
        prob (float): How often a sample is changed. Defaults to 0.5.
    """

    identity = (1.0,)

    def __init__(self, gamma_range: Sequence[float] = (0.8, 1.25), prob: float = 0.5) -> None:
        super().__init__(prob)
        self.gamma_range = gamma_range

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the exponent. See the base class."""
        return np.exp(random.uniform(*np.log(self.gamma_range)))[:, None]

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Bend. See the base class."""
        return images.div_(255).pow_(self.per_sample(values[:, 0], images)).mul_(255), masks


@MODELS.register_module()
class BatchRandomNoise(BatchAugment):
    """Add Gaussian noise of random strength to the images; ``RandomNoise`` on a batch.

    Each sample's noise has a seed of its own, so that it is the same however many processes share the batch; it is
    another on a GPU than on a CPU, as torch's generators are.

    Args:
        std (float): Greatest standard deviation in grey values; drawn evenly from 0 on. Defaults to 16.0.
        prob (float): How often a sample is changed. Defaults to 1.0.
    """

    def __init__(self, std: float = 16.0, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.std = std

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the strength and the noise's seed. See the base class."""
        return np.stack([random.uniform(0, self.std), random.integers(2**32)], axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Add noise. See the base class."""
        noise = torch.empty_like(images)
        generator = torch.Generator(images.device)
        for sample, seed in zip(noise, values[:, 1], strict=True):
            sample.normal_(generator=generator.manual_seed(int(seed)))
        return images.addcmul_(noise, self.per_sample(values[:, 0], images)).clamp_(0, 255), masks


def _grey(images: torch.Tensor) -> torch.Tensor:
    """The grey image (N, 1, H, W) of RGB images."""
    red, green, blue = images.split(1, dim=1)
    return (GREY[0] * red).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


@MODELS.register_module()
class BatchColorJitter(BatchAugment):
    """Change brightness, then contrast, then saturation; mmpretrain's ``ColorJitter`` on a batch of RGB images.

    Contrast changes about the image's mean grey value, saturation about each pixel's. The order is always the same, and
    what exceeds the range is clipped once, at the end: all three are then one pass over the images.

    Args:
        brightness, contrast, saturation (float): Greatest change of each factor from 1, 0 (default) to 1.
    """

    identity = (1.0, 1.0, 1.0)

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> None:
        super().__init__(prob=1.0)
        self.ranges = (brightness, contrast, saturation)

    def draw(self, random: StepRandom) -> np.ndarray:
        """Draw the three factors. See the base class."""
        return np.stack([random.uniform(1 - reach, 1 + reach) for reach in self.ranges], axis=1)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Change colours. See the base class."""
        bright, contrast, colour = values.T
        grey = _grey(images)
        mean = grey.mean(dim=(2, 3), keepdim=True)
        both = bright * contrast
        factors = (both * colour, both * (1 - colour), bright * (1 - contrast))
        own, greyish, flat = (self.per_sample(factor, images) for factor in factors)
        added = grey.mul_(greyish).add_(mean.mul_(flat))
        return images.mul_(own).add_(added).clamp_(0, 255), masks


@MODELS.register_module()
class BatchRandomGrayscale(BatchAugment):
    """Take the colour out, leaving three equal channels; mmpretrain's ``RandomGrayscale`` on a batch of RGB images.

    Args:
        prob (float): How often a sample is changed. Defaults to 0.1.
    """

    def __init__(self, prob: float = 0.1) -> None:
        super().__init__(prob)

    def apply(self, images, masks, values) -> tuple[torch.Tensor, None]:
        """Take the colour out. See the base class."""
        return _grey(images).expand_as(images).contiguous(), masks

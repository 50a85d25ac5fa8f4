"""Data preprocessors, and what they do to a whole batch."""

from .batch_aug_preprocessor import BatchAugPreProcessor
from .batch_photo_metric_distortion import BatchPhotoMetricDistortion
from .batch_random_affine import BatchRandomAffine
from .batch_random_blur import BatchRandomBlur
from .batch_random_choice import BatchRandomChoice
from .batch_random_flip import BatchRandomFlip
from .batch_random_gamma import BatchRandomGamma
from .batch_random_noise import BatchRandomNoise

__all__ = [
    'BatchAugPreProcessor',
    'BatchPhotoMetricDistortion',
    'BatchRandomAffine',
    'BatchRandomBlur',
    'BatchRandomChoice',
    'BatchRandomFlip',
    'BatchRandomGamma',
    'BatchRandomNoise',
]

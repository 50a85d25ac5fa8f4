"""Transforms of segmentation."""

from .random_affine import RandomAffine
from .random_blur import RandomBlur
from .random_noise import RandomNoise
from .random_zoom import RandomZoom
from .resize_to_load_size import ResizeToLoadSize
from .seeded_albu import SeededAlbu

__all__ = [
    'RandomAffine',
    'RandomBlur',
    'RandomNoise',
    'RandomZoom',
    'ResizeToLoadSize',
    'SeededAlbu',
]

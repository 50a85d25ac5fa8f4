"""Decode heads."""

from .bottleneck_unet_head import BottleneckUNetHead
from .unet_head import UNetHead

__all__ = ['BottleneckUNetHead', 'UNetHead']

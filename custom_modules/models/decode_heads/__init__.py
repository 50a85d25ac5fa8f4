"""Decode heads."""

from .bottleneck_unet_head import BottleneckUNetHead
from .lean_aspp_head import LeanASPPHead
from .unet_head import UNetHead

__all__ = ['BottleneckUNetHead', 'LeanASPPHead', 'UNetHead']

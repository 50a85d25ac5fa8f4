"""Backbones: usable in mmpretrain and mmseg alike, registered in mmengine's root ``MODELS``.

``resnet_with_stem`` alone stands on mmseg, and is imported by segmentation runs.
"""

from .moon_net import MoonNet
from .narrow_resnet import NarrowResNet
from .simple_net import SimpleNet
from .staged_backbone import StagedBackbone
from .unet_encoder import UNetEncoder

__all__ = ['MoonNet', 'NarrowResNet', 'SimpleNet', 'StagedBackbone', 'UNetEncoder']

"""Backbones: usable in mmpretrain and mmseg alike, registered in mmengine's root ``MODELS``.

``resnet_with_stem`` alone stands on mmseg, and is imported by segmentation runs.
"""

from .mobile_encoder import MobileEncoder
from .moon_net import MoonNet
from .reference_nets import NarrowResNet, SimpleNet, UNetEncoder
from .staged_backbone import StagedBackbone

__all__ = ['MobileEncoder', 'MoonNet', 'NarrowResNet', 'SimpleNet', 'StagedBackbone', 'UNetEncoder']

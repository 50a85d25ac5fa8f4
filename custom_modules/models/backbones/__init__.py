"""Backbones: usable in mmpretrain and mmseg alike, registered in mmengine's root ``MODELS``."""

from .networks import MobileEncoder, MoonNet, NarrowResNet, SimpleNet, UNetEncoder
from .staged_backbone import StagedBackbone

__all__ = ['MobileEncoder', 'MoonNet', 'NarrowResNet', 'SimpleNet', 'StagedBackbone', 'UNetEncoder']

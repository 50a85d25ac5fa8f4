"""Backbones: usable in mmpretrain and mmseg alike, registered in mmengine's root ``MODELS``."""

from .moon_net import MoonNet
from .staged_backbone import StagedBackbone
from .unet_encoder import UNetEncoder

__all__ = ['MoonNet', 'StagedBackbone', 'UNetEncoder']

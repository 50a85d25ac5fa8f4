"""Segmentors."""

from .binary_tta_model import BinaryTTAModel
from .unet_segmentor import UNetSegmentor

__all__ = ['BinaryTTAModel', 'UNetSegmentor']

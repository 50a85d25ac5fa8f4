"""Segmentors."""

from .binary_tta_model import BinaryTTAModel
from .unet_segmentor import UNetSegmentor
from .val_loss_segmentor import ValLossSegmentor

__all__ = ['BinaryTTAModel', 'UNetSegmentor', 'ValLossSegmentor']

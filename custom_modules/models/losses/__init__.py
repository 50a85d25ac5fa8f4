"""Losses that mmseg lacks or has wrong for one channel."""

from .binary_dice_loss import BinaryDiceLoss
from .binary_focal_loss import BinaryFocalLoss
from .binary_tversky_loss import BinaryTverskyLoss

__all__ = ['BinaryDiceLoss', 'BinaryFocalLoss', 'BinaryTverskyLoss']

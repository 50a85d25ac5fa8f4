"""Losses that mmseg lacks or has wrong for one channel."""

from .binary_dice_loss import BinaryDiceLoss

__all__ = ['BinaryDiceLoss']

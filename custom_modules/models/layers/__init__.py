"""Building blocks that backbones and heads share."""

from .double_conv import DoubleConv
from .up_block import UpBlock

__all__ = ['DoubleConv', 'UpBlock']

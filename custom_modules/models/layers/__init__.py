"""Building blocks that backbones and heads share."""

from .double_conv import DoubleConv
from .grey_standardize import GreyStandardize
from .residual_stage import require_depths, residual_stage
from .up_block import UpBlock

__all__ = ['DoubleConv', 'GreyStandardize', 'UpBlock', 'require_depths', 'residual_stage']

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from .double_conv import DoubleConv


class UpBlock(nn.Module):
    """One decoder level of a U-Net: enlarge, concatenate the skip connection, double convolution.

    mmseg's ``UpConvBlock`` does the same for exact factors of 2 only; this one takes its size from the skip
    tensor, so odd image sizes work too.

    Args:
        in_channels (int): Channels of the coarser feature map.
        skip_channels (int): Channels of the skip tensor.
        channels (int): Output channels. A skip of another width passes a 1x1 adapter first.
        upsample (str): ``'deconv'`` is a 2x2 transposed convolution to ``channels``;
            ``'bilinear'`` interpolates and leaves the reduction to the double convolution.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, channels: int, upsample: str = 'deconv'
    ) -> None:
        super().__init__()
        if upsample == 'deconv':
            self.up = nn.ConvTranspose2d(in_channels, channels, 2, stride=2)
            in_channels = channels
        elif upsample == 'bilinear':
            self.up = nn.Identity()
        else:
            raise ValueError(f"upsample is 'deconv' or 'bilinear', got {upsample!r}.")
        self.adapter = (
            nn.Identity() if skip_channels == channels else nn.Conv2d(skip_channels, channels, 1)
        )
        self.conv = DoubleConv(in_channels + channels, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge a coarse feature map into a finer one.

        Args:
            x (Tensor): Coarse features (N, in_channels, h, w).
            skip (Tensor): Fine features (N, skip_channels, H, W).

        Returns:
            Tensor: (N, channels, H, W).
        """
        x = self.up(x)
        if x.shape[2:] != skip.shape[2:]:
            x = F.interpolate(x, size=skip.shape[2:], mode='bilinear', align_corners=False)
        return self.conv(torch.cat([self.adapter(skip), x], dim=1))

import torch.nn as nn


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and ReLU: one level of a U-Net.

    `U-Net <https://arxiv.org/abs/1505.04597>`_, with padding, so that the size is kept, and batch norm.

    Args:
        in_channels (int): Channels of the input.
        channels (int): Channels of both convolutions' output.
        bias (bool): Whether the convolutions have a bias, which batch norm makes redundant but the reference
            U-Nets count. Defaults to True.
    """

    def __init__(self, in_channels: int, channels: int, bias: bool = True) -> None:
        layers = []
        for width in (in_channels, channels):
            layers += [
                nn.Conv2d(width, channels, 3, padding=1, bias=bias),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)

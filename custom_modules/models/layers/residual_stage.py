from collections.abc import Sequence

import torch.nn as nn
from torchvision.models.resnet import BasicBlock, Bottleneck


def residual_stage(
    block: type[BasicBlock] | type[Bottleneck],
    in_channels: int,
    width: int,
    depth: int,
    pooled_shortcut: bool = False,
) -> nn.Sequential:
    """Make a stage of residual blocks whose first block halves the size.

    `Deep Residual Learning <https://arxiv.org/abs/1512.03385>`_, blocks of torchvision.

    Args:
        block (type): torchvision's ``BasicBlock`` or ``Bottleneck``.
        in_channels (int): Channels of the input.
        width (int): Channels of the output; a bottleneck's middle is a quarter of it.
        depth (int): Number of blocks; 0 gives a stage that hands its input through.
        pooled_shortcut (bool): Average-pool in the shortcut, as in ResNet-D (`Bag of Tricks
            <https://arxiv.org/abs/1812.01187>`_), instead of a convolution with stride 2, which skips three of four
            pixels. Defaults to False.

    Returns:
        nn.Sequential: The stage.
    """
    if depth == 0:
        return nn.Sequential()
    # ceil_mode: an odd size is halved as the strided convolution halves it
    pool = [nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)] if pooled_shortcut else []
    shortcut = nn.Sequential(
        *pool,
        nn.Conv2d(in_channels, width, 1, stride=1 if pooled_shortcut else 2, bias=False),
        nn.BatchNorm2d(width),
    )
    planes = width // block.expansion
    blocks = [block(in_channels, planes, stride=2, downsample=shortcut)]
    blocks += [block(width, planes) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def require_depths(widths: Sequence[int], depths: Sequence[int]) -> None:
    """Refuse a number of depths that is not the number of stages.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages.
        depths (Sequence[int]): Blocks in each stage.

    Raises:
        ValueError: If ``depths`` does not have one number less than ``widths``.
    """
    if len(depths) != len(widths) - 1:
        raise ValueError(
            f'depths needs one number per stage ({len(widths) - 1} for widths={tuple(widths)}, '
            f'the first of which is the stem), got {tuple(depths)}.'
        )

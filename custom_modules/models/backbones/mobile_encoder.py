from collections.abc import Sequence

from mmengine.registry import MODELS
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.ops import Conv2dNormActivation

from ..layers import require_depths
from .staged_backbone import StagedBackbone


@MODELS.register_module()
class MobileEncoder(StagedBackbone):
    """A U-Net encoder of inverted residual blocks, for a computer on board.

    `MobileNetV2: Inverted Residuals and Linear Bottlenecks <https://arxiv.org/abs/1801.04381>`_, with torchvision's block, which
    is that of mmpretrain and mmseg: neither library is needed to import it. As in :class:`MoonNet` the stem keeps the resolution
    and each stage halves it, because most rocks are a few pixels wide at 128x128.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages. Defaults to (8, 16, 32, 64, 112).
        depths (Sequence[int]): Blocks in each stage. Defaults to (1, 2, 2, 2).
        expand_ratio (int): How many times wider a block is inside. Defaults to 4.
        in_channels (int): Channels of the image. Defaults to 3.
        **kwargs: ``out_indices``, ``frozen_stages``, ``grey_standardize`` and ``init_cfg`` of :class:`StagedBackbone`.

    Raises:
        ValueError: If ``depths`` does not have one number less than ``widths``.

    Example:
        >>> import torch
        >>> from custom_modules.models.backbones import MobileEncoder
        >>> [tuple(feature.shape[1:]) for feature in MobileEncoder()(torch.rand(1, 3, 64, 64))]
        [(8, 64, 64), (16, 32, 32), (32, 16, 16), (64, 8, 8), (112, 4, 4)]
    """

    def __init__(
        self,
        widths: Sequence[int] = (8, 16, 32, 64, 112),
        depths: Sequence[int] = (1, 2, 2, 2),
        expand_ratio: int = 4,
        in_channels: int = 3,
        **kwargs,
    ) -> None:
        require_depths(widths, depths)
        super().__init__(widths, [2**i for i in range(len(widths))], **kwargs)
        self.stages.append(Conv2dNormActivation(in_channels, widths[0], activation_layer=nn.ReLU6))
        for narrow, wide, depth in zip(widths, widths[1:], depths, strict=False):
            blocks = [InvertedResidual(narrow, wide, 2, expand_ratio)]
            blocks += [InvertedResidual(wide, wide, 1, expand_ratio) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
        self._freeze_stages()

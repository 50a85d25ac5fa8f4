from collections.abc import Sequence

import torch.nn as nn
from mmengine.registry import MODELS

from ..layers import DoubleConv
from .staged_backbone import StagedBackbone


@MODELS.register_module()
class UNetEncoder(StagedBackbone):
    """The contracting path of a plain U-Net: double convolutions with 2x2 max-pooling between them.

    `U-Net: Convolutional Networks for Biomedical Image Segmentation <https://arxiv.org/abs/1505.04597>`_. With
    ``UNetHead`` on top it is the reference reports' network: 2,459,719 parameters with the
    default widths and one output channel.

    Args:
        widths (Sequence[int]): Channels of each level, the bottleneck last.
            Defaults to (18, 36, 72, 144, 288).
        in_channels (int): Channels of the image. Defaults to 3.
        **kwargs: ``out_indices``, ``frozen_stages`` and ``init_cfg`` of :class:`StagedBackbone`.
    """

    def __init__(
        self, widths: Sequence[int] = (18, 36, 72, 144, 288), in_channels: int = 3, **kwargs
    ) -> None:
        super().__init__(widths, [2**i for i in range(len(widths))], **kwargs)
        self.stages.append(DoubleConv(in_channels, widths[0]))
        for narrow, wide in zip(widths, widths[1:], strict=False):
            self.stages.append(nn.Sequential(nn.MaxPool2d(2), DoubleConv(narrow, wide)))
        self._freeze_stages()

from collections.abc import Sequence

import torch.nn as nn
from mmengine.registry import MODELS
from torchvision.models.resnet import Bottleneck

from ..layers import residual_stage
from .staged_backbone import StagedBackbone


@MODELS.register_module()
class SimpleNet(StagedBackbone):
    """The second reference report's classifier: a thin stem and four bottleneck blocks.

    A 3x3 stem at full resolution, then one residual *bottleneck* block (`Deep Residual Learning
    <https://arxiv.org/abs/1512.03385>`_) for each stage: 1x1 to a quarter of its width, 3x3 with stride 2, 1x1
    to the width. 127,984 parameters: at each resolution, the only 3x3 convolution sees a quarter of the channels.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages, the latter divisible by 4.
            Defaults to (16, 32, 64, 128, 256).
        in_channels (int): Channels of the image. Defaults to 3.
        **kwargs: ``out_indices``, ``frozen_stages`` and ``init_cfg`` of :class:`StagedBackbone`.
    """

    def __init__(
        self, widths: Sequence[int] = (16, 32, 64, 128, 256), in_channels: int = 3, **kwargs
    ) -> None:
        super().__init__(widths, [2**i for i in range(len(widths))], **kwargs)
        self.stages.append(
            nn.Sequential(
                nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False),
                nn.BatchNorm2d(widths[0]),
                nn.ReLU(inplace=True),
            )
        )
        for narrow, wide in zip(widths, widths[1:], strict=False):
            self.stages.append(residual_stage(Bottleneck, narrow, wide, depth=1))
        self._freeze_stages()

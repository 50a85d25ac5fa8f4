"""The encoders of the reference reports."""

from collections.abc import Sequence

import torch.nn as nn
from mmengine.registry import MODELS
from torchvision.models.resnet import BasicBlock, Bottleneck

from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.models.layers import DoubleConv, require_depths, residual_stage


@MODELS.register_module()
class NarrowResNet(StagedBackbone):
    """The third reference report's classifier: ResNet-18's form at little more than a quarter of its width.

    A 7x7 stem of stride 2 with a 3x3 max-pool of stride 1, then stages of *basic blocks* (`Deep Residual
    Learning <https://arxiv.org/abs/1512.03385>`_), each with stride 2, the first too. 889,732 parameters
    with a head for 10 classes.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages. Defaults to (18, 18, 36, 72, 144).
        depths (Sequence[int]): Blocks in each stage. A stage of depth 0 is left out: its index remains, so
            the others still take the weights of a network that has it, as in the report's U-Net, which goes
            from the stem to the second stage. Defaults to (2, 2, 2, 2).
        in_channels (int): Channels of the image. Defaults to 3.
        **kwargs: ``out_indices``, ``frozen_stages`` and ``init_cfg`` of :class:`StagedBackbone`.

    Raises:
        ValueError: If ``depths`` does not have one number less than ``widths``, or a stage is left out that
            would change the width.

    Example:
        >>> from custom_modules.models.backbones import NarrowResNet
        >>> NarrowResNet(depths=(0, 2, 2, 2), out_indices=(0, 2, 3, 4)).out_strides
        (2, 4, 8, 16)
    """

    def __init__(
        self,
        widths: Sequence[int] = (18, 18, 36, 72, 144),
        depths: Sequence[int] = (2, 2, 2, 2),
        in_channels: int = 3,
        **kwargs,
    ) -> None:
        require_depths(widths, depths)
        strides = [2]
        for narrow, wide, depth in zip(widths, widths[1:], depths, strict=False):
            if not depth and narrow != wide:
                raise ValueError(
                    f'a stage of depth 0 hands its input through and cannot change {narrow} channels '
                    f'to {wide}: give both the same width.'
                )
            strides.append(strides[-1] * (2 if depth else 1))
        super().__init__(widths, strides, **kwargs)
        self.stages.append(
            nn.Sequential(
                nn.Conv2d(in_channels, widths[0], 7, stride=2, padding=3, bias=False),
                nn.BatchNorm2d(widths[0]),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, stride=1, padding=1),
            )
        )
        for narrow, wide, depth in zip(widths, widths[1:], depths, strict=False):
            self.stages.append(residual_stage(BasicBlock, narrow, wide, depth))
        self._freeze_stages()


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

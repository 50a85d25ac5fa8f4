"""The project's own networks, and the encoders of the reference reports."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch.nn as nn
from mmengine.registry import MODELS
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import Conv2dNormActivation

from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.models.layers import DoubleConv, each_stage, residual_stage


@MODELS.register_module()
class MoonNet(StagedBackbone):
    """A small residual network with a full-resolution stem: classifier backbone and U-Net encoder.

    The stem keeps the input's resolution and each stage halves it, so that the finest skip connection of a 4-level U-Net has single
    pixels: most lunar rocks are a few pixels wide at 128x128. 1,593,648 parameters.

    The blocks are *basic blocks* (`Deep Residual Learning <https://arxiv.org/abs/1512.03385>`_) with the average-pooled shortcut of
    ResNet-D (`Bag of Tricks <https://arxiv.org/abs/1812.01187>`_). Their two 3x3 convolutions correspond to the double convolution
    of a plain U-Net level, so that the two networks can be compared.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages. Defaults to (16, 32, 64, 128, 256).
        depths (Sequence[int]): Basic blocks in each stage. Defaults to (1, 2, 2, 1).
        **kwargs: Of :class:`StagedBackbone`, except widths and strides.

    Example:
        >>> import torch
        >>> from custom_modules.models.backbones import MoonNet
        >>> [tuple(feature.shape[1:]) for feature in MoonNet()(torch.rand(1, 3, 128, 128))]
        [(16, 128, 128), (32, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8)]
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 128, 256), depths: Sequence[int] = (1, 2, 2, 1), **kwargs) -> None:
        super().__init__(widths, **kwargs)
        self.stages.append(DoubleConv(self.in_channels, widths[0], bias=False))
        for stage in each_stage(widths, depths):
            self.stages.append(residual_stage(BasicBlock, *stage, pooled_shortcut=True))
        self._freeze_stages()


@MODELS.register_module()
class MobileEncoder(StagedBackbone):
    """A U-Net encoder of inverted residual blocks, for on-board computers.

    `MobileNetV2: Inverted Residuals and Linear Bottlenecks <https://arxiv.org/abs/1801.04381>`_, with torchvision's block and
    :class:`MoonNet`'s strides.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages. Defaults to (8, 16, 32, 64, 112).
        depths (Sequence[int]): Blocks in each stage. Defaults to (1, 2, 2, 2).
        expand_ratio (int): How many times wider a block is inside. Defaults to 4.
        **kwargs: Of :class:`StagedBackbone`, except widths and strides.
    """

    def __init__(
        self, widths: Sequence[int] = (8, 16, 32, 64, 112), depths: Sequence[int] = (1, 2, 2, 2), expand_ratio: int = 4, **kwargs
    ) -> None:
        super().__init__(widths, **kwargs)
        self.stages.append(Conv2dNormActivation(self.in_channels, widths[0], activation_layer=nn.ReLU6))
        for narrow, wide, depth in each_stage(widths, depths):
            blocks = [InvertedResidual(narrow, wide, stride=2, expand_ratio=expand_ratio)]
            blocks += [InvertedResidual(wide, wide, stride=1, expand_ratio=expand_ratio) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
        self._freeze_stages()


@MODELS.register_module()
class NarrowResNet(StagedBackbone):
    """The third reference report's classifier: a ResNet-18 with little more than a quarter of its width.

    A 7x7 stem of stride 2 with a 3x3 max-pool of stride 1, then stages of *basic blocks* (`Deep Residual
    Learning <https://arxiv.org/abs/1512.03385>`_) of stride 2. 889,732 parameters with a head for 10 classes.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages. Defaults to (18, 18, 36, 72, 144).
        depths (Sequence[int]): Blocks in each stage. Defaults to (2, 2, 2, 2). A stage of depth 0, as wide as the one before, is an
            identity with stride 1, so that the other stages keep their indices and take the weights of a network that has it: the
            report's U-Net goes from the stem to the second stage.
        **kwargs: Of :class:`StagedBackbone`, except widths and strides.
    """

    def __init__(self, widths: Sequence[int] = (18, 18, 36, 72, 144), depths: Sequence[int] = (2, 2, 2, 2), **kwargs) -> None:
        strides = [2 ** (1 + halved) for halved in accumulate(map(bool, depths), initial=0)]
        super().__init__(widths, strides, **kwargs)
        stem = Conv2dNormActivation(self.in_channels, widths[0], 7, stride=2)
        self.stages.append(nn.Sequential(*stem, nn.MaxPool2d(3, stride=1, padding=1)))
        for stage in each_stage(widths, depths):
            self.stages.append(residual_stage(BasicBlock, *stage))
        self._freeze_stages()


@MODELS.register_module()
class SimpleNet(StagedBackbone):
    """The second reference report's classifier: a 3x3 stem at full resolution and four bottleneck blocks. 127,984 parameters.

    Each stage is one residual *bottleneck* block (`Deep Residual Learning <https://arxiv.org/abs/1512.03385>`_): 1x1 to a quarter of
    its width, 3x3 with stride 2, 1x1 to the width.

    Args:
        widths (Sequence[int]): Channels of the stem and of the stages, divisible by 4. Defaults to (16, 32, 64, 128, 256).
        **kwargs: Of :class:`StagedBackbone`, except widths and strides.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 128, 256), **kwargs) -> None:
        super().__init__(widths, **kwargs)
        self.stages.append(Conv2dNormActivation(self.in_channels, widths[0]))
        for narrow, wide in pairwise(widths):
            self.stages.append(residual_stage(Bottleneck, narrow, wide, depth=1))
        self._freeze_stages()


@MODELS.register_module()
class UNetEncoder(StagedBackbone):
    """The contracting path of a plain U-Net: double convolutions with 2x2 max-pooling between them.

    `U-Net: Convolutional Networks for Biomedical Image Segmentation <https://arxiv.org/abs/1505.04597>`_. With ``UNetHead`` it is
    the reference reports' network: 2,459,719 parameters with the default widths and one output channel.

    Args:
        widths (Sequence[int]): Channels of each level, the bottleneck last. Defaults to (18, 36, 72, 144, 288).
        **kwargs: Of :class:`StagedBackbone`, except widths and strides.
    """

    def __init__(self, widths: Sequence[int] = (18, 36, 72, 144, 288), **kwargs) -> None:
        super().__init__(widths, **kwargs)
        self.stages.append(DoubleConv(self.in_channels, widths[0]))
        for narrow, wide in pairwise(widths):
            self.stages.append(nn.Sequential(nn.MaxPool2d(2), DoubleConv(narrow, wide)))
        self._freeze_stages()

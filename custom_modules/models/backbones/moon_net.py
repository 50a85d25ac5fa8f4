from collections.abc import Sequence

from mmengine.registry import MODELS
from torchvision.models.resnet import BasicBlock

from ..layers import DoubleConv, require_depths, residual_stage
from .staged_backbone import StagedBackbone


@MODELS.register_module()
class MoonNet(StagedBackbone):
    """A small residual network with a full-resolution stem: classifier backbone and U-Net encoder.

    The stem keeps the input's resolution and each of the four stages halves it, so a decoder gets five
    feature maps: a U-Net with 4 levels down and 4 up, whose finest skip still sees single pixels. That
    matters here, because most lunar rocks are a few pixels wide at 128x128.

    The block is the residual *basic block* of `Deep Residual Learning <https://arxiv.org/abs/1512.03385>`_
    (torchvision's), with the average-pooled shortcut of ResNet-D (`Bag of Tricks
    <https://arxiv.org/abs/1812.01187>`_), because

    - its two 3x3 convolutions are the double convolution of a plain U-Net level: with and without
      pretraining, and beside the plain U-Net, the same kind of network is compared;
    - the shortcut makes a deeper encoder trainable in a few epochs on a small set;
    - dense 3x3 convolutions with widths in multiples of 16 suit the vector units of a CPU, where this
      classifier must train and the detector may run.

    It has 1,593,648 parameters, 1,645,048 with a classification head for 200 classes.

    Args:
        widths (Sequence[int]): Channels of the stem and of the four stages.
            Defaults to (16, 32, 64, 128, 256).
        depths (Sequence[int]): Basic blocks in each stage. Defaults to (1, 2, 2, 1): two where the
            feature map is small enough to be cheap and narrow enough to be light.
        in_channels (int): Channels of the image. Defaults to 3.
        **kwargs: ``out_indices``, ``frozen_stages`` and ``init_cfg`` of :class:`StagedBackbone`.

    Raises:
        ValueError: If ``depths`` does not have one number less than ``widths``.

    Example:
        >>> import torch
        >>> from custom_modules.models.backbones import MoonNet
        >>> backbone = MoonNet()
        >>> for feature in backbone(torch.rand(1, 3, 128, 128)):
        ...     print(tuple(feature.shape))
        (1, 16, 128, 128)
        (1, 32, 64, 64)
        (1, 64, 32, 32)
        (1, 128, 16, 16)
        (1, 256, 8, 8)
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        depths: Sequence[int] = (1, 2, 2, 1),
        in_channels: int = 3,
        **kwargs,
    ) -> None:
        require_depths(widths, depths)
        super().__init__(widths, [2**i for i in range(len(widths))], **kwargs)
        self.stages.append(DoubleConv(in_channels, widths[0], bias=False))
        for narrow, wide, depth in zip(widths, widths[1:], depths, strict=False):
            self.stages.append(
                residual_stage(BasicBlock, narrow, wide, depth, pooled_shortcut=True)
            )
        self._freeze_stages()

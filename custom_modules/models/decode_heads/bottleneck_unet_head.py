from collections.abc import Sequence

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import DoubleConv
from .unet_head import UNetHead


@MODELS.register_module()
class BottleneckUNetHead(UNetHead):
    """A ``UNetHead`` with a bottleneck of its own, for classifiers that shrink their input early.

    The third reference report's decoder. The deepest feature map is not only the bottleneck's input but the
    first skip connection too, so there are as many levels as feature maps. Each level doubles the size and *its
    skip tensor is resized to it*: from a stride of 16 at the bottom, four levels lead back to full resolution
    although the classifier's stem has a stride of 2.

    Args:
        in_channels (Sequence[int]): Channels of the backbone's outputs, finest first.
        bottleneck_channels (int): Channels of the bottleneck. Defaults to 288.
        **kwargs: Of :class:`UNetHead`; ``decoder_channels`` has one number per feature map here.

    Example:
        >>> import torch
        >>> from custom_modules.models.backbones import NarrowResNet
        >>> from custom_modules.models.decode_heads import BottleneckUNetHead
        >>> backbone = NarrowResNet(depths=(0, 2, 2, 2), out_indices=(0, 2, 3, 4))
        >>> head = BottleneckUNetHead(in_channels=backbone.out_channels)
        >>> tuple(head(backbone(torch.rand(1, 3, 128, 128))).shape)
        (1, 1, 128, 128)
    """

    def __init__(
        self, in_channels: Sequence[int], bottleneck_channels: int = 288, **kwargs
    ) -> None:
        super().__init__(in_channels=(*in_channels, bottleneck_channels), **kwargs)
        self.in_index = self.in_index[:-1]
        self.in_channels = self.in_channels[:-1]
        self.bottleneck = DoubleConv(in_channels[-1], bottleneck_channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decode feature maps into logits.

        Args:
            inputs (Sequence[Tensor]): The backbone's outputs, finest first.

        Returns:
            Tensor: Logits (N, out_channels, H, W), 2 ** len(in_channels) times the size of the coarsest map.
        """
        skips = self._transform_inputs(inputs)
        x = self.bottleneck(skips[-1])
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            size = [2 * side for side in x.shape[2:]]
            x = level(x, F.interpolate(skip, size=size, mode='bilinear', align_corners=False))
        return self.cls_seg(x)

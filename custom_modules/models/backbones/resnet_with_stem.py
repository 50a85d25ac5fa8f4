from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class ResNetWithStem(ResNet):
    """mmseg's ``ResNet`` that also returns its stem, the finest skip connection of a U-Net.

    `Deep Residual Learning <https://arxiv.org/abs/1512.03385>`_. The stem's feature map (64 channels, stride 2)
    precedes those of ``out_indices``. The weights' names are torchvision's, so its checkpoints fit.

    Args:
        **kwargs: ``depth``, ``out_indices``, ``norm_cfg``, ``init_cfg``, ... of mmseg's ``ResNet``.

    Attributes:
        out_channels (tuple[int]): Channels of each feature map that ``forward`` returns.
        out_strides (tuple[int]): Stride of each feature map that ``forward`` returns.

    Example:
        >>> import torch
        >>> from custom_modules.models.backbones.resnet_with_stem import ResNetWithStem
        >>> backbone = ResNetWithStem(depth=34)
        >>> [tuple(feature.shape[1:]) for feature in backbone(torch.rand(1, 3, 64, 64))]
        [(64, 32, 32), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        widths = [self.base_channels * self.block.expansion * 2**i for i in self.out_indices]
        self.out_channels = (self.stem_channels, *widths)
        strides = [4]
        for stride in self.strides[1:]:
            strides.append(strides[-1] * stride)
        self.out_strides = (2, *(strides[i] for i in self.out_indices))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps, finest first.

        Args:
            x (Tensor): Images (N, 3, H, W).

        Returns:
            tuple[Tensor]: The stem's, then one for each of ``out_indices``.
        """
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        features = [x]
        x = self.maxpool(x)
        for i, name in enumerate(self.res_layers):
            x = getattr(self, name)(x)
            if i in self.out_indices:
                features.append(x)
        return tuple(features)

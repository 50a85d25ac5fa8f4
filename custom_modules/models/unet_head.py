"""Decode heads: U-Net decoders, and mmseg's heads without ``acc_seg``."""

from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor

from custom_modules.datasets.mask_datasets import SegBatch
from custom_modules.models.layers import DoubleConv, UpBlock


class LeanLossMixin:
    """Mixin before a mmseg decode head: losses without ``acc_seg``, and without a pixel sampler, which is a ValueError.

    With one channel ``acc_seg`` is the share of background whatever is predicted, and it costs a top-k over all pixels in each
    iteration. The samples of a batch may also be one sample with all masks.
    """

    def __init__(self, **kwargs) -> None:
        if kwargs.get('sampler') is not None:
            raise ValueError(f'{type(self).__name__} has no pixel sampler: weight or choose the losses instead.')
        super().__init__(**kwargs)

    def _stack_batch_gt(self, batch_data_samples: SegBatch | list) -> Tensor:
        if isinstance(batch_data_samples, SegBatch):
            # a copy, since loss_by_feat changes it
            return batch_data_samples.gt_sem_seg.data[:, None].clone()
        return super()._stack_batch_gt(batch_data_samples)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SegBatch | list) -> dict[str, Tensor]:
        """Compute the losses of logits (N, out_channels, h, w) by name, summed if they share one.

        The samples have ``gt_sem_seg``; a batch without a labelled pixel costs 0.
        """
        label = self._stack_batch_gt(batch_data_samples).squeeze(1)
        # float32 under mixed precision too, since a Dice sums thousands of pixels
        seg_logits = resize(seg_logits.float(), label.shape[1:], mode='bilinear', align_corners=self.align_corners)
        # without a labelled pixel mmseg's cross entropy raises and its Lovasz is nan: label one pixel, and multiply the loss by 0;
        # an `if` would wait for the device
        labelled = (label != self.ignore_index).any()
        label[0, 0, 0] = torch.where(labelled, label[0, 0, 0], 0)
        losses: dict[str, Tensor] = {}
        modules = self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]
        for module in modules:
            value = module(seg_logits, label, ignore_index=self.ignore_index) * labelled
            losses[module.loss_name] = losses.get(module.loss_name, 0) + value
        return losses


@MODELS.register_module()
class UNetHead(LeanLossMixin, BaseDecodeHead):
    """The expanding path of a U-Net as a decode head, for any backbone with several outputs.

    `U-Net: Convolutional Networks for Biomedical Image Segmentation <https://arxiv.org/abs/1505.04597>`_. Each
    level upsamples to the size of its skip tensor, so strides need not be powers of 2.

    Args:
        in_channels (Sequence[int]): Channels of the backbone's outputs, finest first; a ``UNetSegmentor`` sets them.
        decoder_channels (Sequence[int], optional): Output channels of each level, finest first, one less than ``in_channels``.
            Those of the skip tensors by default; a 1x1 convolution adapts a skip tensor with others.
        upsample (str): ``'deconv'`` (transposed convolution) or ``'bilinear'``. Defaults to ``'deconv'``.
        separable (bool): Whether the levels' convolutions are depthwise separable, for small computers. Defaults to False.
        num_classes (int): Number of classes, including the background. Defaults to 2.
        out_channels (int, optional): 1 for one sigmoid channel (default for two classes), else ``num_classes``.
        **kwargs: ``loss_decode``, ... of mmseg's ``BaseDecodeHead``; other defaults are ``threshold=0.5`` (mmseg's is 0.3),
            ``dropout_ratio=0`` and no ``init_cfg``.

    Raises:
        ValueError: If ``decoder_channels`` does not fit ``in_channels``, a ``sampler`` is given, or other convolutions, norms or activations.

    Example:
        >>> import torch
        >>> from custom_modules.models.backbones import MoonNet
        >>> from custom_modules.models.unet_head import UNetHead
        >>> backbone = MoonNet()
        >>> head = UNetHead(in_channels=backbone.out_channels)
        >>> tuple(head(backbone(torch.rand(1, 3, 100, 150))).shape)
        (1, 1, 100, 150)
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        decoder_channels: Sequence[int] | None = None,
        upsample: str = 'deconv',
        separable: bool = False,
        num_classes: int = 2,
        out_channels: int | None = None,
        **kwargs,
    ) -> None:
        in_channels = tuple(in_channels)
        decoder_channels = tuple(decoder_channels or in_channels[:-1])
        if len(decoder_channels) != len(in_channels) - 1:
            skips = len(in_channels) - 1
            raise ValueError(f'decoder_channels needs {skips} numbers for in_channels={in_channels}, got {decoder_channels}.')
        for name, kind in dict(conv_cfg='Conv2d', norm_cfg='BN', act_cfg='ReLU').items():
            # mmseg's base class would take another, and UNetHead not use it
            if (kwargs.get(name) or dict(type=kind)).get('type') != kind:
                raise ValueError(f'UNetHead is built of {kind}, got {name}={kwargs[name]}: leave {name} out.')
        defaults = dict(threshold=0.5, dropout_ratio=0.0, init_cfg=None, in_index=tuple(range(len(in_channels))))
        super().__init__(
            in_channels=in_channels,
            channels=decoder_channels[0],
            num_classes=num_classes,
            out_channels=out_channels or (1 if num_classes == 2 else num_classes),
            input_transform='multiple_select',
            **defaults | kwargs,
        )
        self.levels = nn.ModuleList()
        coarse = in_channels[-1]
        for skip, channels in zip(in_channels[-2::-1], decoder_channels[::-1], strict=True):
            self.levels.append(UpBlock(coarse, skip, channels, upsample, separable))
            coarse = channels

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decode the backbone's feature maps, finest first, to logits (N, out_channels, H, W) of the finest map's size."""
        *skips, x = self._transform_inputs(inputs)
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            x = level(x, skip)
        return self.cls_seg(x)


@MODELS.register_module()
class BottleneckUNetHead(UNetHead):
    """A ``UNetHead`` with its own bottleneck, for classifiers that downsample early: the third reference report's decoder.

    The coarsest feature map is both the bottleneck's input and the first skip tensor, so there are as many levels as feature maps.
    Each level doubles the size, and *its skip tensor is resized to it*: from a stride of 16, four levels lead back to full
    resolution although the classifier's stem has a stride of 2.

    Args:
        in_channels (Sequence[int]): Channels of the backbone's outputs, finest first.
        bottleneck_channels (int): Channels of the bottleneck. Defaults to 288.
        **kwargs: Of :class:`UNetHead`; ``decoder_channels`` has one number per feature map here.
    """

    def __init__(self, in_channels: Sequence[int], bottleneck_channels: int = 288, **kwargs) -> None:
        super().__init__(in_channels=(*in_channels, bottleneck_channels), **kwargs)
        self.in_index = self.in_index[:-1]
        self.in_channels = self.in_channels[:-1]
        self.bottleneck = DoubleConv(in_channels[-1], bottleneck_channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decode to logits (N, out_channels, H, W), 2 ** len(in_channels) times the size of the coarsest map."""
        skips = self._transform_inputs(inputs)
        x = self.bottleneck(skips[-1])
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            size = [2 * side for side in x.shape[2:]]
            x = level(x, F.interpolate(skip, size=size, mode='bilinear', align_corners=False))
        return self.cls_seg(x)


@MODELS.register_module()
class LeanASPPHead(LeanLossMixin, DepthwiseSeparableASPPHead):
    """mmseg's DeepLabV3+ head with the losses of :class:`LeanLossMixin`; arguments and weights are ``DepthwiseSeparableASPPHead``'s.

    `Encoder-Decoder with Atrous Separable Convolution <https://arxiv.org/abs/1802.02611>`_.
    """

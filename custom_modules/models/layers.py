"""Building blocks that backbones and heads share."""

from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import DepthwiseSeparableConvModule
from torch import Tensor
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import Conv2dNormActivation


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and ReLU: one level of a U-Net.

    `U-Net <https://arxiv.org/abs/1505.04597>`_, with padding, which keeps the size, and batch norm.

    Args:
        in_channels, channels (int): Channels of the input, and of both convolutions' output.
        bias (bool): Whether they have a bias, which batch norm makes redundant but the reference U-Nets count. Defaults to True.
        separable (bool): Whether they are depthwise separable, as in `MobileNets <https://arxiv.org/abs/1704.04861>`_: about an
            eighth of the work. Defaults to False.
    """

    def __init__(self, in_channels: int, channels: int, bias: bool = True, separable: bool = False) -> None:
        layers, norm = [], dict(type='BN')
        for width in (in_channels, channels):
            if separable:
                layers.append(DepthwiseSeparableConvModule(width, channels, 3, padding=1, norm_cfg=norm))
            else:
                layers += Conv2dNormActivation(width, channels, bias=bias)
        super().__init__(*layers)


class NarrowBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of few channels on a CPU: the same up to rounding, and up to four times as fast.

    In the channels-last layout PyTorch takes one pixel after another, and 18 channels do not fill the vectors of 16 or 32 numbers
    that a processor computes at once. Here ``PIXELS`` neighbours are one row, whose statistics are then merged by channel.
    """

    PIXELS = 16

    @classmethod
    def convert(cls, model: nn.Module) -> None:
        """Turn those batch norms of a model into this class, in place, at which PyTorch is slow: see docs/experiment_log.md."""
        for norm in model.modules():
            slow = type(norm) is nn.BatchNorm2d and norm.num_features < 64 and norm.num_features % 16 > 0
            usual = slow and norm.affine and norm.track_running_stats and norm.momentum is not None
            if usual and norm.weight.device.type == 'cpu':
                norm.__class__ = cls

    def forward(self, x: Tensor) -> Tensor:
        """Normalise images (N, C, H, W)."""
        fits = x[:, 0].numel() % self.PIXELS == 0 and x.is_contiguous(memory_format=torch.channels_last)
        if not self.training or not fits or torch.compiler.is_compiling():
            return super().forward(x)
        y, mean, var = _NarrowBatchNorm.apply(x, self.weight, self.bias, self.PIXELS, self.eps)
        with torch.no_grad():
            count = x[:, 0].numel()
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        return y


class _NarrowBatchNorm(torch.autograd.Function):
    """PyTorch's batch norm over rows of k pixels; the last two results are mean and variance of each channel (C,)."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, k: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        rows, one = _rows(x, k), weight.new_ones(k * len(weight))
        _, mean, scale = torch.native_batch_norm(rows, one, None, None, None, True, 0.0, eps)
        own = mean.view(k, -1)
        mean = own.mean(0)
        var = (scale.view(k, -1) ** -2 - eps).mean(0) + (own - mean).square().mean(0)
        wide = [value.repeat(k) for value in (weight, bias, mean, var)]
        # no view, so that a ReLU may work in place
        y, none = torch.empty_like(x), [mean.new_empty(0) for _ in range(2)]
        torch.ops.aten.native_batch_norm.out(
            rows, *wide, False, 0.0, eps, out=_rows(y, k), save_mean=none[0], save_invstd=none[1]
        )
        ctx.save_for_backward(x, weight, mean, var)
        ctx.k, ctx.eps = k, eps
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    def backward(ctx, grad: Tensor, *_) -> tuple[Tensor | None, ...]:
        x, weight, mean, var = ctx.saved_tensors
        k, eps, scale = ctx.k, ctx.eps, torch.rsqrt(var + ctx.eps)
        rows, wide = _rows(x, k), [value.repeat(k) for value in (weight, mean, scale, var)]
        grad_x, *own = torch.ops.aten.native_batch_norm_backward(
            _rows(grad, k), rows, wide[0], None, None, *wide[1:3], True, eps, (True, True, True)
        )
        totals = [value.view(k, -1).sum(0) for value in own]
        # the k pixels of a row have each had their own means taken off their gradient, in place of those of the channel
        each = wide[0] * wide[2] / x[:, 0].numel()
        excess = [(value * k - total.repeat(k)) * each for value, total in zip(own, totals, strict=True)]
        grad_x += torch.native_batch_norm(rows, *excess, wide[1], wide[3], False, 0.0, eps)[0]
        return grad_x.view(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2), *totals, None, None


def _rows(x: Tensor, k: int) -> Tensor:
    """View images (N, C, H, W) as rows (N * H * W / k, k * C); they are copied if they are not in the channels-last layout."""
    return x.permute(0, 2, 3, 1).reshape(-1, k * x.shape[1])


class GreyStandardize(nn.Module):
    """Convert each image to grey and standardize it to zero mean and unit standard deviation; nothing is learned.

    This removes a camera's exposure, gain and colour cast, up to clipping, so that a network trained on grey renders also works on
    photographs of brown ground.
    """

    # added to the standard deviation, so that an image without contrast stays flat; 3 grey levels of 255 in ImageNet's normalisation
    eps = 0.05

    def forward(self, x: Tensor) -> Tensor:
        """Standardize images (N, C, H, W), normalised by constants or not; all channels of the result are equal."""
        grey = x.mean(dim=1, keepdim=True)
        if torch.compiler.is_exporting():
            # other runtimes sum less accurately, which matters less for values near 0
            grey = grey - grey[:, :, :1, :1]
        std, mean = torch.std_mean(grey, dim=(2, 3), keepdim=True, correction=0)
        return ((grey - mean) / (std + self.eps)).expand_as(x)


def residual_stage(
    block: type[BasicBlock] | type[Bottleneck], in_channels: int, width: int, depth: int, pooled_shortcut: bool = False
) -> nn.Sequential:
    """Make a stage of ``depth`` blocks of torchvision, the first with stride 2; an identity if ``depth`` is 0.

    A ``Bottleneck`` is a quarter as wide inside. A ``pooled_shortcut`` average-pools, as in ResNet-D.
    """
    if depth == 0:
        return nn.Sequential()
    # ceil_mode rounds odd sizes as the strided convolution does
    pool = [nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)] if pooled_shortcut else []
    conv = nn.Conv2d(in_channels, width, 1, stride=1 if pooled_shortcut else 2, bias=False)
    shortcut = nn.Sequential(*pool, conv, nn.BatchNorm2d(width))
    planes = width // block.expansion
    blocks = [block(in_channels, planes, stride=2, downsample=shortcut)]
    blocks += [block(width, planes) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def each_stage(widths: Sequence[int], depths: Sequence[int]) -> list[tuple[int, int, int]]:
    """List (in_channels, width, depth) of each stage; ``widths`` begin with the stem's, so a ValueError if they are not one more than ``depths``."""
    if len(depths) != len(widths) - 1:
        raise ValueError(
            f'depths needs one number per stage ({len(widths) - 1} for widths={tuple(widths)}, '
            f'the first of which is the stem), got {tuple(depths)}.'
        )
    return list(zip(widths, widths[1:], depths, strict=False))


class UpBlock(nn.Module):
    """One decoder level of a U-Net: upsample, concatenate the skip connection, double convolution.

    Like mmseg's ``UpConvBlock``, but it upsamples to the size of the skip tensor, not by exactly 2.

    Args:
        in_channels, skip_channels (int): Channels of the coarser feature map and of the skip tensor.
        channels (int): Output channels. A skip tensor with another number passes a 1x1 convolution first.
        upsample (str): ``'deconv'``, a 2x2 transposed convolution to ``channels``, or ``'bilinear'``, which keeps ``in_channels``; else a ValueError.
        separable (bool): Of :class:`DoubleConv`.
    """

    def __init__(self, in_channels: int, skip_channels: int, channels: int, upsample: str, separable: bool) -> None:
        super().__init__()
        if upsample == 'deconv':
            self.up = nn.ConvTranspose2d(in_channels, channels, 2, stride=2)
            in_channels = channels
        elif upsample == 'bilinear':
            self.up = nn.Identity()
        else:
            raise ValueError(f"upsample is 'deconv' or 'bilinear', got {upsample!r}.")
        self.adapter = nn.Identity() if skip_channels == channels else nn.Conv2d(skip_channels, channels, 1)
        self.conv = DoubleConv(in_channels + channels, channels, separable=separable)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge coarse features (N, in_channels, h, w) into fine ones (N, skip_channels, H, W): (N, channels, H, W)."""
        x = self.up(x)
        # an export for any size is traced with symbolic sizes, which must not be compared: it always interpolates
        symbolic = isinstance(skip.shape[2], torch.SymInt)
        if symbolic or x.shape[2:] != skip.shape[2:]:
            # onnxruntime is faster at a factor than at a size
            double = not symbolic and [2 * side for side in x.shape[2:]] == [*skip.shape[2:]]
            target = dict(scale_factor=2.0) if double else dict(size=skip.shape[2:])
            x = F.interpolate(x, **target, mode='bilinear', align_corners=False)
        return self.conv(torch.cat([self.adapter(skip), x], dim=1))

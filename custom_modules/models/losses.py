"""Losses that mmseg lacks or has wrong for one channel."""

from abc import ABCMeta, abstractmethod

import torch.nn as nn
from mmseg.models.losses import utils as mmseg_losses
from mmseg.registry import MODELS
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from custom_modules.datasets.masks import read_class_weights

# also where a config goes through mmseg's own tools, which know none of this project's checks
mmseg_losses.load = read_class_weights


class BinaryLoss(nn.Module, metaclass=ABCMeta):
    """What the losses for one channel of logits share: the channel check and the ignore mask.

    Args:
        loss_weight (float): Factor of the loss. Defaults to 1.0.
        loss_name (str): Name in the log; the prefix ``loss_`` makes it part of the sum.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_binary') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, seg_logits: Tensor, label: Tensor, ignore_index: int = 255, **kwargs) -> Tensor:
        """Compute the loss of logits (N, 1, H, W), else a ValueError, and labels (N, H, W), 1 rock, 0 background; mmseg's ``weight`` is not used."""
        if seg_logits.shape[1] != 1:
            raise ValueError(
                f'{type(self).__name__} takes one channel of logits, got {seg_logits.shape[1]}: '
                "use mmseg's own loss, which is right for several classes."
            )
        logits = seg_logits.squeeze(1)
        counted = (label != ignore_index).to(logits)
        return self.loss_weight * self.compute(logits, (label == 1).to(logits), counted)

    @abstractmethod
    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss of (N, H, W); ``rock`` is 1 where the label is rock, ``counted`` 0 where it is ignored."""


@MODELS.register_module()
class BinaryFocalLoss(BinaryLoss):
    """Focal loss for one channel of logits, averaged over the pixels that count.

    `Focal Loss for Dense Object Detection <https://arxiv.org/abs/1708.02002>`_, computed by torchvision. mmseg's
    ``FocalLoss`` raises with one channel.

    Args:
        alpha (float): Weight of rock pixels, with ``1 - alpha`` for the background; -1 for no weights.
            Defaults to 0.75, which favours the rarer rock (the paper's 0.25 suits detectors' many anchors).
        gamma (float): How much less well-classified pixels count. Defaults to 2.0.
        loss_name, **kwargs: Of :class:`BinaryLoss`.
    """

    def __init__(self, alpha: float = 0.75, gamma: float = 2.0, loss_name: str = 'loss_focal', **kwargs) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        self.alpha, self.gamma = alpha, gamma

    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss."""
        pixels = sigmoid_focal_loss(logits, rock, self.alpha, self.gamma) * counted
        return pixels.sum() / counted.sum().clamp(min=1)


@MODELS.register_module()
class BinaryTverskyLoss(BinaryLoss):
    """Tversky loss of the foreground for one channel of logits.

    `Tversky loss function for image segmentation <https://arxiv.org/abs/1706.05721>`_: Dice with separate
    prices for what is invented and what is missed. mmseg's ``TverskyLoss`` is constantly 0 with one channel.

    Args:
        alpha (float): Price of a false positive. Defaults to 0.3.
        beta (float): Price of a false negative; above ``alpha`` it favours recall. Defaults to 0.7.
        smooth (float): Added to numerator and denominator, in pixels, so that there is a gradient without rock too. Defaults to 1.0.
        per_image (bool): Average each image's loss, where the default counts the batch as one image: that suits small objects.
        loss_name, **kwargs: Of :class:`BinaryLoss`.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        per_image: bool = False,
        loss_name: str = 'loss_tversky',
        **kwargs,
    ) -> None:
        super().__init__(loss_name=loss_name, **kwargs)
        self.alpha, self.beta, self.smooth, self.per_image = alpha, beta, smooth, per_image

    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss, between 0 (perfect) and 1."""
        probability = logits.sigmoid() * counted
        dims = (1, 2) if self.per_image else (0, 1, 2)
        hit = (probability * rock).sum(dims)
        invented = probability.sum(dims) - hit
        missed = rock.sum(dims) - hit
        whole = hit + self.alpha * invented + self.beta * missed + self.smooth
        return (1 - (hit + self.smooth) / whole).mean()


@MODELS.register_module()
class BinaryDiceLoss(BinaryTverskyLoss):
    """Soft Dice loss of the foreground for one channel of logits: the Tversky loss whose prices are one half each.

    `V-Net <https://arxiv.org/abs/1606.04797>`_, with plain sums in the denominator. mmseg's ``DiceLoss`` one-hots the label of
    one channel and keeps the background column: a perfect rock prediction costs 0.9999, the opposite 0.

    Args:
        smooth (float): Added to the numerator 2 |A B| and the denominator |A| + |B|, in pixels. Defaults to 1.0.
        per_image, loss_name, **kwargs: Of :class:`BinaryTverskyLoss`.
    """

    def __init__(self, smooth: float = 1.0, per_image: bool = False, loss_name: str = 'loss_dice', **kwargs) -> None:
        super().__init__(0.5, 0.5, smooth / 2, per_image, loss_name, **kwargs)

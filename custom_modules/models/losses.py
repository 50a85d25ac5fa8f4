"""Losses for one output channel that mmseg lacks or computes wrongly."""

from abc import ABCMeta, abstractmethod

import torch.nn as nn
from mmseg.models.losses import utils as mmseg_losses
from mmseg.registry import MODELS
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from custom_modules.datasets.masks import read_class_weights

# patched in mmseg itself, so that it holds without this project's checks too, as in mmseg's own tools
mmseg_losses.load = read_class_weights


class BinaryLoss(nn.Module, metaclass=ABCMeta):
    """Base class of losses for one channel of logits: checks the channels and masks ignored pixels.

    Args:
        loss_name (str): Name in the log; the prefix ``loss_`` makes it part of the sum. Each subclass has a default.
        loss_weight (float): Factor of the loss. Defaults to 1.0.
    """

    def __init__(self, loss_name: str, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight, self.loss_name = loss_weight, loss_name

    def forward(self, seg_logits: Tensor, label: Tensor, ignore_index: int = 255, **kwargs) -> Tensor:
        """Compute the loss, a scalar, of logits (N, 1, H, W) and labels (N, H, W), which are 0 (background) and 1 (rock).

        Raises a ValueError if there are several channels. ``weight`` and other arguments of mmseg's losses have no effect.
        """
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
        """Compute the loss before ``loss_weight``, of floats (N, H, W): ``rock`` is 1 where the label is 1, ``counted`` 0 where it is ignored."""


@MODELS.register_module()
class BinaryFocalLoss(BinaryLoss):
    """Focal loss for one channel of logits, averaged over the labelled pixels.

    `Focal Loss for Dense Object Detection <https://arxiv.org/abs/1708.02002>`_, computed by torchvision. mmseg's
    ``FocalLoss`` raises with one channel.

    Args:
        alpha (float): Weight of rock pixels, with ``1 - alpha`` for the background; -1 for no weights.
            Defaults to 0.75, which favours the rarer rock (the paper's 0.25 suits detectors' many anchors).
        gamma (float): Exponent that reduces the weight of well-classified pixels. Defaults to 2.0.
        **kwargs: Of :class:`BinaryLoss`.
    """

    def __init__(self, alpha: float = 0.75, gamma: float = 2.0, loss_name: str = 'loss_focal', **kwargs) -> None:
        super().__init__(loss_name, **kwargs)
        self.alpha, self.gamma = alpha, gamma

    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss."""
        return (sigmoid_focal_loss(logits, rock, self.alpha, self.gamma) * counted).sum() / counted.sum().clamp(min=1)


@MODELS.register_module()
class BinaryTverskyLoss(BinaryLoss):
    """Tversky loss of the foreground for one channel of logits.

    `Tversky loss function for image segmentation <https://arxiv.org/abs/1706.05721>`_: Dice with separate weights for false positives
    and false negatives. mmseg's ``TverskyLoss`` is constantly 0 with one channel.

    Args:
        alpha (float): Weight of false positives. Defaults to 0.3.
        beta (float): Weight of false negatives; above ``alpha`` it favours recall. Defaults to 0.7.
        smooth (float): Added to numerator and denominator, in pixels, so that images without rock have a gradient. Defaults to 1.0.
        per_image (bool): Average the losses of single images, which suits small objects. Defaults to False: the batch counts as one.
        **kwargs: Of :class:`BinaryLoss`.
    """

    def __init__(self, alpha: float = 0.3, beta: float = 0.7, smooth: float = 1.0, per_image: bool = False, **kwargs) -> None:
        super().__init__(kwargs.pop('loss_name', 'loss_tversky'), **kwargs)
        self.alpha, self.beta, self.smooth, self.per_image = alpha, beta, smooth, per_image

    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss, between 0 (perfect) and 1."""
        probability = logits.sigmoid() * counted
        dims = (1, 2) if self.per_image else (0, 1, 2)
        hit = (probability * rock).sum(dims)
        false_positive = probability.sum(dims) - hit
        false_negative = rock.sum(dims) - hit
        whole = hit + self.alpha * false_positive + self.beta * false_negative + self.smooth
        return (1 - (hit + self.smooth) / whole).mean()


@MODELS.register_module()
class BinaryDiceLoss(BinaryTverskyLoss):
    """Soft Dice loss of the foreground for one channel of logits: the Tversky loss with both weights one half.

    `V-Net <https://arxiv.org/abs/1606.04797>`_, with plain sums in the denominator. mmseg's ``DiceLoss`` one-hots the label of
    one channel and keeps the background column: a perfect rock prediction costs 0.9999, the opposite 0.

    Args:
        smooth (float): Added to the numerator 2 |A B| and the denominator |A| + |B|, in pixels. Defaults to 1.0.
        per_image, loss_name, **kwargs: Of :class:`BinaryTverskyLoss`.

    Example:
        >>> import torch
        >>> from custom_modules.models.losses import BinaryDiceLoss
        >>> labels = torch.tensor([[[0, 1, 255]]])  # (N, H, W): background, rock, ignored
        >>> right = torch.tensor([[[[-9.0, 9.0, 9.0]]]])
        >>> [round(BinaryDiceLoss()(logits, labels).item(), 2) for logits in (right, -right)]
        [0.0, 0.67]
    """

    def __init__(self, smooth: float = 1.0, per_image: bool = False, loss_name: str = 'loss_dice', **kwargs) -> None:
        super().__init__(0.5, 0.5, smooth / 2, per_image, loss_name=loss_name, **kwargs)

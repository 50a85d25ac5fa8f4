from mmseg.registry import MODELS
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from .binary_loss import BinaryLoss


@MODELS.register_module()
class BinaryFocalLoss(BinaryLoss):
    """Focal loss for one channel of logits, averaged over the pixels that count.

    `Focal Loss for Dense Object Detection <https://arxiv.org/abs/1708.02002>`_, computed by torchvision. mmseg's
    ``FocalLoss`` raises with one channel.

    Args:
        alpha (float): Weight of rock pixels, with ``1 - alpha`` for the background; -1 for no weights.
            Defaults to 0.75, which favours the rarer rock (the paper's 0.25 suits detectors' many anchors).
        gamma (float): How much less well-classified pixels count. Defaults to 2.0.
        loss_weight (float): Factor of the loss. Defaults to 1.0.
        loss_name (str): Name in the log. Defaults to ``'loss_focal'``.
    """

    def __init__(
        self,
        alpha: float = 0.75,
        gamma: float = 2.0,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal',
    ) -> None:
        super().__init__(loss_weight, loss_name)
        self.alpha = alpha
        self.gamma = gamma

    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss."""
        pixels = sigmoid_focal_loss(logits, rock, self.alpha, self.gamma) * counted
        return pixels.sum() / counted.sum().clamp(min=1)

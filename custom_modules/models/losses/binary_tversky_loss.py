from mmseg.registry import MODELS
from torch import Tensor

from .binary_loss import BinaryLoss


@MODELS.register_module()
class BinaryTverskyLoss(BinaryLoss):
    """Tversky loss of the foreground for one channel of logits.

    `Tversky loss function for image segmentation <https://arxiv.org/abs/1706.05721>`_: Dice with separate
    prices for what is invented and what is missed. mmseg's ``TverskyLoss`` is constantly 0 with one channel.

    Args:
        alpha (float): Price of a false positive. Defaults to 0.3.
        beta (float): Price of a false negative; above ``alpha`` it favours recall. Defaults to 0.7.
        smooth (float): Added to numerator and denominator, in pixels: keeps the loss finite and its
            gradient alive where there is no rock. Defaults to 1.0.
        per_image (bool): Average each image's loss instead of counting the batch as one image. The
            latter (default) suits small objects, which many images have few pixels of.
        loss_weight (float): Factor of the loss. Defaults to 1.0.
        loss_name (str): Name in the log. Defaults to ``'loss_tversky'``.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        per_image: bool = False,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_tversky',
    ) -> None:
        super().__init__(loss_weight, loss_name)
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth
        self.per_image = per_image

    def compute(self, logits: Tensor, rock: Tensor, counted: Tensor) -> Tensor:
        """Compute the unweighted loss, between 0 (perfect) and 1."""
        probability = logits.sigmoid() * counted
        dims = (1, 2) if self.per_image else (0, 1, 2)
        hit = (probability * rock).sum(dims)
        invented = probability.sum(dims) - hit
        missed = rock.sum(dims) - hit
        index = (hit + self.smooth) / (
            hit + self.alpha * invented + self.beta * missed + self.smooth
        )
        return (1 - index).mean()

from mmseg.registry import MODELS

from .binary_tversky_loss import BinaryTverskyLoss


@MODELS.register_module()
class BinaryDiceLoss(BinaryTverskyLoss):
    """Soft Dice loss of the foreground for one channel of logits.

    `V-Net <https://arxiv.org/abs/1606.04797>`_, with plain sums in the denominator: the Tversky loss whose prices are
    one half each. mmseg's ``DiceLoss`` cannot be used with one channel: it one-hots the label and
    keeps the background column, so that a perfect rock prediction costs 0.9999 and the opposite costs 0.

    Args:
        smooth (float): Added to the numerator 2 |A B| and the denominator |A| + |B|, in pixels. Defaults to 1.0.
        per_image (bool): Average each image's loss instead of counting the batch as one image.
            Defaults to False.
        loss_weight (float): Factor of the loss. Defaults to 1.0.
        loss_name (str): Name in the log. Defaults to ``'loss_dice'``.

    Example:
        >>> import torch
        >>> loss = BinaryDiceLoss(smooth=0)
        >>> label = torch.tensor([[[0, 1], [1, 255]]])
        >>> float(loss((label * 200.0 - 100)[:, None], label)) < 1e-6
        True
    """

    def __init__(
        self,
        smooth: float = 1.0,
        per_image: bool = False,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_dice',
    ) -> None:
        super().__init__(0.5, 0.5, smooth / 2, per_image, loss_weight, loss_name)

import torch.nn as nn
from mmseg.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class BinaryDiceLoss(nn.Module):
    """Soft Dice loss of the foreground for one channel of logits.

    `V-Net <https://arxiv.org/abs/1606.04797>`_, with plain sums in the denominator. mmseg's ``DiceLoss`` cannot be used
    with one channel: it one-hots the label and keeps the background column, so that a perfect rock
    prediction costs 0.9999 and the opposite costs 0.

    Args:
        smooth (float): Added to numerator and denominator, in pixels: keeps the loss finite and its
            gradient alive where there is no rock. Defaults to 1.0.
        per_image (bool): Average each image's loss instead of counting the batch as one image. The
            latter (default) suits small objects, which many images have few pixels of.
        loss_weight (float): Factor of the loss. Defaults to 1.0.
        loss_name (str): Name in the log; the prefix ``loss_`` makes it part of the sum.
            Defaults to ``'loss_dice'``.

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
        super().__init__()
        self.smooth = smooth
        self.per_image = per_image
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, seg_logits: Tensor, label: Tensor, ignore_index: int = 255, **kwargs
    ) -> Tensor:
        """Compute the loss.

        Args:
            seg_logits (Tensor): Logits (N, 1, H, W).
            label (Tensor): Integer labels (N, H, W): 1 rock, 0 background.
            ignore_index (int): Label of pixels that do not count. Defaults to 255.
            **kwargs: Unused; mmseg hands ``weight`` to every loss.

        Returns:
            Tensor: Scalar between 0 (perfect) and ``loss_weight``.

        Raises:
            ValueError: If the logits do not have one channel.
        """
        if seg_logits.shape[1] != 1:
            raise ValueError(
                f'BinaryDiceLoss takes one channel of logits, got {seg_logits.shape[1]}: '
                "use mmseg's DiceLoss, which is right for several classes."
            )
        counted = label != ignore_index
        probability = seg_logits.squeeze(1).sigmoid() * counted
        rock = (label == 1).to(probability)
        dims = (1, 2) if self.per_image else (0, 1, 2)
        overlap = (probability * rock).sum(dims)
        total = probability.sum(dims) + rock.sum(dims)
        dice = (2 * overlap + self.smooth) / (total + self.smooth)
        return self.loss_weight * (1 - dice).mean()

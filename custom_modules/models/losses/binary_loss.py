from abc import ABCMeta, abstractmethod

import torch.nn as nn
from torch import Tensor


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
            Tensor: Scalar.

        Raises:
            ValueError: If the logits do not have one channel.
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
        """Compute the unweighted loss.

        Args:
            logits (Tensor): (N, H, W).
            rock (Tensor): (N, H, W), 1 where the label is rock, else 0.
            counted (Tensor): (N, H, W), 0 where the label is ignored, else 1.

        Returns:
            Tensor: Scalar.
        """

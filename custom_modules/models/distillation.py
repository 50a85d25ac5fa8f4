"""A segmentor that also learns what a larger one, already trained, answers."""

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor, nn

from custom_modules.models.segmentors import UNetSegmentor


def imitation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of logits (N, C, h, w) with another network's logits of any size: sigmoid for one channel, else softmax.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([4.0, -4.0]).view(1, 1, 1, 2)
        >>> bool(imitation_loss(teacher, teacher) < imitation_loss(-teacher, teacher))
        True
    """
    logits, target = logits.float(), target.float()
    if target.shape[2:] != logits.shape[2:]:
        target = F.interpolate(target, size=logits.shape[2:], mode='bilinear', align_corners=False)
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits, target.sigmoid())
    return F.cross_entropy(logits, target.softmax(dim=1))


@MODELS.register_module()
class DistilledSegmentor(UNetSegmentor):
    """A ``UNetSegmentor`` that imitates a teacher beside learning from the masks.

    `Distilling the Knowledge in a Neural Network <https://arxiv.org/abs/1503.02531>`_, pixel by pixel. The teacher sees the same
    augmented batch. It answers for pixels without a label too, so sparsely labelled photographs count as a whole. It is there
    in training only: neither a checkpoint nor its average holds it, and a test needs no file of it.

    Args:
        teacher (dict): A segmentor with as many output channels, and with ``init_cfg=dict(type='Pretrained', checkpoint=...)``.
        imitation_weight (float): Weight of the loss ``loss_imitation``. Defaults to 1.
        **kwargs: Of ``UNetSegmentor``.

    Raises:
        ValueError: If the teacher has no weights of its own, or another number of output channels.
    """

    def __init__(self, teacher: dict, imitation_weight: float = 1.0, **kwargs) -> None:
        super().__init__(**kwargs)
        if not (teacher.get('init_cfg') or {}).get('checkpoint'):
            raise ValueError(
                "A teacher needs weights: give it init_cfg=dict(type='Pretrained', checkpoint=FILE)."
            )
        self.imitation_weight = imitation_weight
        self._teacher_config = teacher
        # a tuple hides it from parameters, checkpoints and averages
        self._teacher: tuple[nn.Module, ...] = ()

    def init_weights(self) -> None:
        """Initialize the weights before training, and load the teacher."""
        super().init_weights()
        teacher = MODELS.build(self._teacher_config)
        if teacher.out_channels != self.out_channels:
            raise ValueError(
                f'The teacher has {teacher.out_channels} output channels, this network {self.out_channels}: '
                'give both the same num_classes.'
            )
        teacher.init_weights()
        self._teacher = (teacher.eval().requires_grad_(False),)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Compute the decode head's losses, and ``loss_imitation``, of a batch (N, 3, H, W)."""
        features = self.extract_feat(inputs)
        logits = self.decode_head(features)
        losses = add_prefix(self.decode_head.loss_by_feat(logits, data_samples), 'decode')
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(features, data_samples))
        (teacher,) = self._teacher
        with torch.no_grad():
            target = teacher.to(inputs.device)(inputs, mode='tensor')
        losses['loss_imitation'] = self.imitation_weight * imitation_loss(logits, target)
        return losses

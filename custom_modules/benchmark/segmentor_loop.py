import torch
import torch.nn.functional as F
from torch import Tensor

from .bare_loop import BareLoop
from .class_indices import class_indices


class SegmentorLoop(BareLoop):
    """The limit of a segmentor: backbone, decode head and its losses; counts a confusion matrix."""

    @staticmethod
    def label(sample) -> Tensor:
        """Take the mask (H, W). See the base class."""
        return sample.gt_sem_seg.data[0].long()

    def logits(self, images: Tensor) -> Tensor:
        """Compute (N, C, H, W). See the base class."""
        return self.model.decode_head(self.model.backbone(images))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Add the losses of the decode head. See the base class."""
        head = self.model.decode_head
        # as the project's heads do under mixed precision
        logits = logits.float()
        if logits.shape[2:] != labels.shape[1:]:
            logits = F.interpolate(
                logits, labels.shape[1:], mode='bilinear', align_corners=head.align_corners
            )
        several = isinstance(head.loss_decode, torch.nn.ModuleList)
        terms = head.loss_decode if several else [head.loss_decode]
        return sum(term(logits, labels, ignore_index=head.ignore_index) for term in terms)

    def counts(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Count the confusion matrix, flat. See the base class."""
        classes = self.model.decode_head.num_classes
        cells = (labels * classes + class_indices(logits))[labels != 255]
        return torch.bincount(cells, minlength=classes * classes)

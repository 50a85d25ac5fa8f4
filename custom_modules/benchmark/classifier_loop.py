from torch import Tensor

from .bare_loop import BareLoop


class ClassifierLoop(BareLoop):
    """The limit of a classifier: backbone, neck, head and its loss; counts what is right."""

    @staticmethod
    def label(sample) -> Tensor:
        """Take the class. See the base class."""
        return sample.gt_label[0]

    def logits(self, images: Tensor) -> Tensor:
        """Compute (N, classes). See the base class."""
        return self.model(images, mode='tensor')

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss of the head. See the base class."""
        return self.model.head.loss_module(logits, labels)

    def counts(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Count the right ones. See the base class."""
        return (logits.argmax(1) == labels).sum()

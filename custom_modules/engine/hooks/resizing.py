"""Image sizes that grow while training goes on."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class ProgressiveResizeHook(Hook):
    """Train on small images first, and on larger ones later: most of what a classifier learns needs few pixels.

    `Progressive resizing <https://arxiv.org/abs/1707.02921>`_, also `EfficientNetV2 <https://arxiv.org/abs/2104.00298>`_. It
    sets the ``size`` of the data preprocessor's ``BatchRandomResizedCrop`` before each epoch, from the epoch alone, so that a
    resumed run has the same sizes. Validation keeps its own size; until the last stage its scores are of a network that
    is used at another size than it is trained at.

    Args:
        stages (Sequence[tuple[float, int]]): From which share of all epochs on, and the images' height and width from there;
            the first share is 0.

    Raises:
        ValueError: If the shares do not begin with 0 and rise to below 1, or the model crops no batches.

    Example:
        >>> hook = ProgressiveResizeHook(stages=[(0, 64), (0.5, 96), (0.75, 128)])
        >>> [hook.size_at(epoch, 8) for epoch in range(8)]
        [64, 64, 64, 64, 96, 96, 128, 128]
    """

    def __init__(self, stages: Sequence[tuple[float, int]]) -> None:
        shares = [share for share, _ in stages]
        if not shares or shares[0] != 0 or shares != sorted(set(shares)) or shares[-1] >= 1:
            raise ValueError(
                f'the shares of stages begin with 0 and rise to below 1, got {shares}.'
            )
        self.stages = [(share, size) for share, size in stages]

    def size_at(self, epoch: int, max_epochs: int) -> int:
        """Tell the size of an epoch's images.

        Args:
            epoch (int): The epoch, from 0.
            max_epochs (int): How many there are.

        Returns:
            int: Height and width.
        """
        return [size for share, size in self.stages if epoch >= share * max_epochs][-1]

    def before_train_epoch(self, runner) -> None:
        """Set the size.

        Args:
            runner (Runner): The runner of the training process.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        augments = getattr(model.data_preprocessor, 'augments', ())
        crops = [a for a in augments if type(a).__name__ == 'BatchRandomResizedCrop']
        if not crops:
            raise ValueError(
                'ProgressiveResizeHook sets the size of BatchRandomResizedCrop, and model.data_preprocessor.augments holds none.'
            )
        size = self.size_at(runner.epoch, runner.max_epochs)
        for crop in crops:
            if crop.size != size or runner.epoch == 0:
                runner.logger.info(f'Images of {size}x{size} from epoch {runner.epoch + 1} on')
            crop.size = size

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from torch import Tensor, nn


@HOOKS.register_module()
class CompileHook(Hook):
    """Train with the parts of the model compiled by ``torch.compile``.

    Batch norm, ReLU and concatenation become one pass over memory each. The results are the same up to rounding. It needs a C++
    compiler on a CPU and Triton on a GPU, and takes a minute or so before the first step, and again when stages wake.

    Only whole training batches run compiled. The ragged last batch of an epoch, validation and testing run as they are:
    nothing is compiled twice for a size that comes once an epoch. Names in checkpoints do not change. (mmengine's
    ``compile=True`` takes in the whole step, pre-processing, logging and optimizer included.)

    Args:
        enabled (bool): ``default_hooks = dict(compile=dict(enabled=True))`` switches it on. Defaults to False.
        parts (tuple[str]): Which parts of the model. Defaults to ``('backbone', 'decode_head')``.
        **options: Of ``torch.compile``, such as ``mode='max-autotune-no-cudagraphs'``.
    """

    def __init__(
        self, enabled: bool = False, parts: tuple[str, ...] = ('backbone', 'decode_head'), **options
    ) -> None:
        self.enabled, self.parts, self.options = enabled, parts, options

    def before_train(self, runner) -> None:
        """Put compiled functions in place of the parts' ``forward``.

        Args:
            runner (Runner): The runner of the training process.
        """
        size = runner.train_dataloader.batch_size
        for part in self._parts_of(runner):
            part.forward = _compiled_for_whole_batches(part, size, self.options)

    def after_train(self, runner) -> None:
        """Put them back.

        Args:
            runner (Runner): The runner of the training process.
        """
        for part in self._parts_of(runner):
            vars(part).pop('forward', None)

    def _parts_of(self, runner) -> list[nn.Module]:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return [getattr(model, name) for name in self.parts] if self.enabled else []


def _compiled_for_whole_batches(part: nn.Module, size: int, options: dict):
    plain = part.forward
    compiled = torch.compile(plain, dynamic=False, **options)

    def forward(inputs: Tensor | tuple[Tensor, ...]):
        first = inputs if isinstance(inputs, Tensor) else inputs[0]
        whole = part.training and torch.is_grad_enabled() and len(first) == size
        return (compiled if whole else plain)(inputs)

    return forward

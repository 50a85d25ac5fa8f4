import torch
import torch.nn as nn
from torch.fx.experimental.optimization import fuse


class FoldedStages:
    """Frozen stages as they compute fastest: copies with each batch norm folded into its convolution.

    A batch norm in eval is one factor and one addend per channel, which the convolution before it can hold:
    the same output up to rounding, without reading and writing each feature map once more. The copies belong to nobody's
    parameters: they appear in no ``state_dict`` and no optimizer.

    They are made when they are asked for, and made again as soon as a weight or statistic was written to
    (its version), moved (its address) or cast. Writes through ``.data``, as of mmengine's ``EMAHook``, leave no
    trace: for these, call :meth:`forget`, as ``StagedBackbone`` does whenever its mode is set. A stage that torch.fx
    cannot trace computes as it is.

    Example:
        >>> import torch
        >>> from custom_modules.models.layers import DoubleConv
        >>> stages = [DoubleConv(3, 8).eval()]
        >>> folded = FoldedStages().of(stages)
        >>> any(isinstance(m, torch.nn.BatchNorm2d) for m in folded[0].modules())
        False
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Have the copies made anew at the next use."""
        self._state, self._copies = None, []

    def of(self, stages: list[nn.Module]) -> list[nn.Module]:
        """Give the folded copies.

        Args:
            stages (list[nn.Module]): Stages in eval mode.

        Returns:
            list[nn.Module]: One module for each, to be called without gradient.
        """
        state = [_mark(t) for s in stages for t in (*s.parameters(), *s.buffers())]
        if state != self._state:
            # of inference mode, they would be unusable outside of it
            with torch.inference_mode(False), torch.no_grad():
                self._copies = [_fold(stage) for stage in stages]
            self._state = state
        return self._copies

    def __getstate__(self) -> dict:
        # a copied or pickled backbone folds its own weights
        return {}

    def __setstate__(self, state: dict) -> None:
        self.forget()


def _mark(tensor: torch.Tensor) -> tuple:
    version = -1 if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), version, tensor.dtype


def _fold(stage: nn.Module) -> nn.Module:
    try:
        return fuse(stage).requires_grad_(False)
    except torch.fx.proxy.TraceError:
        return stage

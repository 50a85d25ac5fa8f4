"""The base class of backbones, whose stages can be frozen one by one."""

from collections.abc import Sequence

import torch
import torch.nn as nn
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor
from torch.fx.experimental.optimization import fuse
from torch.nn.modules.batchnorm import _BatchNorm

from custom_modules.models.layers import GreyStandardize
from custom_modules.models.safe_loading import pretrained_checkpoints, require_all_tensors
from custom_modules.utils.errors import UsageError


class FoldedStages:
    """Copies of frozen stages with each batch norm folded into its convolution: less memory traffic, same output.

    The copies are in no ``state_dict`` and no optimizer. They are made again after a tensor of a stage was written to (then its version
    differs), moved (its address) or cast (its type). Writes through ``.data``, as by mmengine's ``EMAHook``, change none of these:
    because of them ``StagedBackbone`` calls :meth:`forget` whenever its mode is set.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Make the copies again at the next use."""
        self._state, self._copies = None, []

    def copies(self, stages: list[nn.Module]) -> list[nn.Module]:
        """Return folded copies of stages in eval mode, to be called without gradient."""
        tensors = [t for s in stages for t in (*s.parameters(), *s.buffers())]
        state = [(t.data_ptr(), -1 if t.is_inference() else t._version, t.dtype) for t in tensors]
        if state != self._state:
            # tensors made in inference mode would be unusable outside of it
            with torch.inference_mode(False), torch.no_grad():
                self._copies = [_fold(stage) for stage in stages]
            self._state = state
        return self._copies

    def __reduce__(self):
        # a copied or pickled backbone folds its own weights
        return FoldedStages, ()


def _fold(stage: nn.Module) -> nn.Module:
    try:
        calls = [node.target for node in torch.fx.symbolic_trace(stage).graph.nodes if node.op == 'call_module']
        # fuse would multiply the weights of a convolution by those of a batch norm at each of its calls
        shared = any(calls.count(name) > 1 and isinstance(stage.get_submodule(name), nn.Conv2d) for name in calls)
        return stage if shared else fuse(stage).requires_grad_(False)
    except torch.fx.proxy.TraceError:
        return stage


class StagedBackbone(BaseModule):
    """Base class of this project's backbones: a stem and stages that can be frozen, and loading.

    A subclass passes its ``widths`` and ``strides``, fills ``self.stages`` (the stem first), and calls ``_freeze_stages``.

    Args:
        widths (Sequence[int]): Output channels of the stem and of each stage.
        strides (Sequence[int], optional): Stride of each of these outputs relative to the input. 1, 2, 4, ... by default.
        out_indices (Sequence[int], optional): Which outputs ``forward`` returns: 0 is the stem, k the k-th stage. All by default.
        frozen_stages (int): -1 (default) freezes nothing, 0 the stem, k the stem and the first k stages. To unfreeze stages during
            training, leave it at -1 and use ``FreezeScheduleHook``: the optimizer lacks what is frozen when it is built.
        init_cfg (dict, optional): Of mmengine. With ``type='Pretrained'`` the checkpoint must hold every tensor of the backbone.
        frozen_norm_eval (bool): Whether the batch norms of frozen stages are in eval mode too, as in mmseg's ``norm_eval``. With
            False they normalise by the batch and update their statistics. Defaults to True.
        fold_frozen (bool): Whether to compute frozen stages as :class:`FoldedStages`. Defaults to True.
        grey_standardize (bool): Whether to apply :class:`GreyStandardize`, which is part of the backbone so that nothing that runs
            the network can forget it. Defaults to False.
        in_channels (int): Channels of the image. Defaults to 3.

    Attributes:
        out_channels (tuple[int]): Channels of each feature map that ``forward`` returns.
        out_strides (tuple[int]): Stride of each feature map that ``forward`` returns.

    Raises:
        ValueError: If ``out_indices`` or ``frozen_stages``, now or when it is set later, names a stage that does not exist.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int] | None = None,
        out_indices: Sequence[int] | None = None,
        frozen_stages: int = -1,
        init_cfg: dict | None = None,
        frozen_norm_eval: bool = True,
        fold_frozen: bool = True,
        grey_standardize: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__(init_cfg)
        self._last_stage = len(widths) - 1
        self.out_indices = tuple(range(len(widths)) if out_indices is None else out_indices)
        if any(not 0 <= i <= self._last_stage for i in self.out_indices):
            raise ValueError(f'out_indices must lie in 0..{self._last_stage} (0 is the stem), got {self.out_indices}.')
        strides = strides or [2**i for i in range(len(widths))]
        self.out_channels = tuple(widths[i] for i in self.out_indices)
        self.out_strides = tuple(strides[i] for i in self.out_indices)
        self.frozen_norm_eval, self.in_channels = frozen_norm_eval, in_channels
        self.grey_standardize = GreyStandardize() if grey_standardize else None
        self.stages = nn.ModuleList()
        self._folded = FoldedStages() if fold_frozen else None
        self.frozen_stages = frozen_stages

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of ``out_indices``, finest first, from images (N, in_channels, H, W).

        Each is (N, out_channels[i], H / out_strides[i], W / out_strides[i]). Frozen stages build no autograd graph, unless the
        images require a gradient.
        """
        stages = list(self.stages[: max(self.out_indices) + 1])
        frozen = min(self._frozen_stages + 1, len(stages))
        frozen = 0 if frozen and x.requires_grad else frozen  # torch.fx traces what is not frozen: no condition on x
        if self._may_fold(stages[:frozen]):
            stages[:frozen] = self._folded.copies(stages[:frozen])
        if self.grey_standardize is not None:
            x = self.grey_standardize(x)
        features = []
        for i, stage in enumerate(stages):
            with torch.set_grad_enabled(i >= frozen and torch.is_grad_enabled()):
                x = stage(x)
            if i in self.out_indices:
                features.append(x)
        return tuple(features)

    @property
    def frozen_stages(self) -> int:
        """How much is frozen: -1 nothing, 0 the stem, k the stem and the first k stages."""
        return self._frozen_stages

    @frozen_stages.setter
    def frozen_stages(self, value: int) -> None:
        if not -1 <= value <= self._last_stage:
            raise UsageError(
                f'frozen_stages of {type(self).__name__} is -1 (nothing), 0 (the stem) or 1 to {self._last_stage} (stages too), got {value}.'
            )
        self._frozen_stages = value
        self._freeze_stages()
        self.train(self.training)

    def train(self, mode: bool = True) -> 'StagedBackbone':
        """Set the mode, but keep frozen stages in eval, with or without their batch norms (``frozen_norm_eval``)."""
        super().train(mode)
        if self._folded is not None:
            # EMAHook swaps weights through .data; mmengine's loops set the mode after each swap
            self._folded.forget()
        for stage in self.stages[: self._frozen_stages + 1]:
            stage.eval()
            if not self.frozen_norm_eval:
                for module in stage.modules():
                    if isinstance(module, _BatchNorm):
                        module.train(mode)
        return self

    def init_weights(self) -> None:
        """Initialize, and stop when a ``Pretrained`` checkpoint does not hold every tensor."""
        for checkpoint, prefix in pretrained_checkpoints(self):
            count = require_all_tensors(self, checkpoint, prefix, 'model.backbone')
            MMLogger.get_current_instance().info(f'{count} of {count} tensors of {type(self).__name__} loaded from {checkpoint}')
        super().init_weights()

    def _may_fold(self, stages: list[nn.Module]) -> bool:
        # torch.compile cannot trace the check for changes
        if not stages or self._folded is None or torch.compiler.is_compiling():
            return False
        # hooks of folded layers would not be called
        return not any(m.training or m._forward_hooks or m._forward_pre_hooks for stage in stages for m in stage.modules())

    def _freeze_stages(self) -> None:
        for i, stage in enumerate(self.stages):
            stage.requires_grad_(i > self._frozen_stages)
            if i <= self._frozen_stages:
                # a gradient from before would change the weights once more
                stage.zero_grad(set_to_none=True)

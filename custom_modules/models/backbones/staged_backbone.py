"""Backbones of stages that can be frozen, one by one."""

from abc import ABCMeta
from collections.abc import Sequence

import torch
import torch.nn as nn
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor
from torch.fx.experimental.optimization import fuse
from torch.nn.modules.batchnorm import _BatchNorm

from custom_modules.models.layers import GreyStandardize
from custom_modules.models.safe_loading import require_all_tensors


class FoldedStages:
    """Copies of frozen stages in which each batch norm is folded into its convolution: less memory to read, same output.

    They appear in no ``state_dict`` and no optimizer. They are made anew as soon as a weight or statistic was written to (its
    version), moved (its address) or cast. Writes through ``.data``, as of mmengine's ``EMAHook``, leave no trace: for these
    ``StagedBackbone`` calls :meth:`forget` whenever its mode is set.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Have the copies made anew at the next use."""
        self._state, self._copies = None, []

    def copies(self, stages: list[nn.Module]) -> list[nn.Module]:
        """Give the folded copies of stages in eval mode, to be called without gradient."""
        tensors = [t for s in stages for t in (*s.parameters(), *s.buffers())]
        state = [(t.data_ptr(), -1 if t.is_inference() else t._version, t.dtype) for t in tensors]
        if state != self._state:
            # of inference mode, they would be unusable outside of it
            with torch.inference_mode(False), torch.no_grad():
                self._copies = [_fold(stage) for stage in stages]
            self._state = state
        return self._copies

    def __reduce__(self):
        # a copied or pickled backbone folds its own weights
        return FoldedStages, ()


def _fold(stage: nn.Module) -> nn.Module:
    try:
        return fuse(stage).requires_grad_(False)
    except torch.fx.proxy.TraceError:
        # it computes as it is
        return stage


class StagedBackbone(BaseModule, metaclass=ABCMeta):
    """What every backbone of this project has in common: a stem, stages, freezing, loading.

    A subclass fills ``self.stages`` (the stem first), hands over its ``widths`` and ``strides``, and calls ``_freeze_stages``.

    Args:
        widths (Sequence[int]): Output channels of the stem and of each stage.
        strides (Sequence[int], optional): Stride of each of these outputs with respect to the input. Doubles from 1 on by default.
        out_indices (Sequence[int], optional): Which outputs ``forward`` returns: 0 is the stem, k the k-th stage. All by default.
        frozen_stages (int): -1 (default) freezes nothing, 0 the stem, k the stem and the first k stages. Leave it at -1 when
            stages shall be unfrozen later, and use ``FreezeScheduleHook``: what is frozen first is left out of the optimizer.
        init_cfg (dict, optional): Of mmengine. With ``type='Pretrained'`` the checkpoint must hold every tensor of the backbone.
        frozen_norm_eval (bool): Whether the batch norms of frozen stages are in eval too, as in mmseg's ``norm_eval``. With
            False they normalise by the batch and their statistics adapt, while no weight moves. Defaults to True.
        fold_frozen (bool): Compute frozen stages as :class:`FoldedStages`. Defaults to True.
        grey_standardize (bool): Let :class:`GreyStandardize` take out exposure, contrast and colour cast. It belongs to the
            backbone, so that whatever runs the network cannot forget it. Defaults to False.
        in_channels (int): Channels of the image. Defaults to 3.

    Attributes:
        out_channels (tuple[int]): Channels of each feature map that ``forward`` returns.
        out_strides (tuple[int]): Stride of each feature map that ``forward`` returns.
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
        last = len(widths) - 1
        self.out_indices = tuple(range(len(widths)) if out_indices is None else out_indices)
        if any(not 0 <= i <= last for i in self.out_indices):
            raise ValueError(f'out_indices must lie in 0..{last} (0 is the stem), got {self.out_indices}.')
        strides = strides or [2**i for i in range(len(widths))]
        self.out_channels = tuple(widths[i] for i in self.out_indices)
        self.out_strides = tuple(strides[i] for i in self.out_indices)
        self._last_stage = last
        self.frozen_norm_eval, self.in_channels = frozen_norm_eval, in_channels
        self.grey_standardize = GreyStandardize() if grey_standardize else None
        self.stages = nn.ModuleList()
        self._folded = FoldedStages() if fold_frozen else None
        self._frozen_stages = self._checked_frozen_stages(frozen_stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of ``out_indices``, finest first, from images (N, 3, H, W).

        Each is (N, out_channels[i], H / out_strides[i], W / out_strides[i]). Frozen stages build no graph, unless the
        images themselves require a gradient.
        """
        stages = list(self.stages[: max(self.out_indices) + 1])
        frozen = 0 if x.requires_grad else min(self._frozen_stages + 1, len(stages))
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
        self._frozen_stages = self._checked_frozen_stages(value)
        self._freeze_stages()
        self.train(self.training)

    def train(self, mode: bool = True) -> 'StagedBackbone':
        """Set the mode, but keep frozen stages in eval, with or without their batch norms (``frozen_norm_eval``)."""
        super().train(mode)
        if self._folded is not None:
            # averaged weights are swapped in behind autograd's back, but never without a change of mode
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
        configs = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg or {}]
        for cfg in (cfg for cfg in configs if cfg.get('type') == 'Pretrained'):
            count = require_all_tensors(self, cfg['checkpoint'], cfg.get('prefix') or '')
            MMLogger.get_current_instance().info(
                f'{count} of {count} tensors of {type(self).__name__} loaded from {cfg["checkpoint"]}'
            )
        super().init_weights()

    def _may_fold(self, stages: list[nn.Module]) -> bool:
        # a compiler cannot follow the bookkeeping
        if not stages or self._folded is None or torch.compiler.is_compiling():
            return False
        # a hook would wait in vain for its layer
        return not any(
            m.training or m._forward_hooks or m._forward_pre_hooks for stage in stages for m in stage.modules()
        )

    def _checked_frozen_stages(self, value: int) -> int:
        if not -1 <= value <= self._last_stage:
            raise ValueError(
                f'frozen_stages must lie in -1..{self._last_stage} for {type(self).__name__} '
                f'(-1 nothing, 0 the stem, k the first k stages), got {value}.'
            )
        return value

    def _freeze_stages(self) -> None:
        for i, stage in enumerate(self.stages):
            stage.requires_grad_(i > self._frozen_stages)
            if i <= self._frozen_stages:
                # what was accumulated before it froze would move it once more
                stage.zero_grad(set_to_none=True)

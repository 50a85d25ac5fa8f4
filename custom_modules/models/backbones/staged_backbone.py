from abc import ABCMeta
from collections.abc import Sequence

import torch.nn as nn
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor

from custom_modules.engine.checkpoint_match import require_all_tensors


class StagedBackbone(BaseModule, metaclass=ABCMeta):
    """What every backbone of this project has in common: a stem, stages, freezing, loading.

    A subclass fills ``self.stages`` (the stem first) and hands over its ``widths`` and
    ``strides``; everything else, so that no head, hook or test needs to know the architecture, is here.

    Args:
        widths (Sequence[int]): Output channels of the stem and of each stage.
        strides (Sequence[int]): Stride of each of these outputs with respect to the input.
        out_indices (Sequence[int], optional): Which outputs ``forward`` returns: 0 is the stem,
            k the k-th stage. All of them by default, as a U-Net wants.
        frozen_stages (int): -1 freezes nothing, 0 the stem, k the stem and the first k stages.
            Leave it at -1 when the stages shall wake up later, and use ``FreezeScheduleHook``: what is
            frozen before the optimizer is built is left out of the optimizer. Defaults to -1.
        init_cfg (dict, optional): mmengine's initialization config. With ``type='Pretrained'``
            every tensor of the backbone must be found in the checkpoint.

    Attributes:
        out_channels (tuple[int]): Channels of each feature map that ``forward`` returns.
        out_strides (tuple[int]): Stride of each feature map that ``forward`` returns.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int],
        out_indices: Sequence[int] | None = None,
        frozen_stages: int = -1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        last = len(widths) - 1
        self.out_indices = tuple(range(len(widths)) if out_indices is None else out_indices)
        if any(not 0 <= i <= last for i in self.out_indices):
            raise ValueError(
                f'out_indices must lie in 0..{last} (0 is the stem), got {self.out_indices}.'
            )
        self.out_channels = tuple(widths[i] for i in self.out_indices)
        self.out_strides = tuple(strides[i] for i in self.out_indices)
        self._last_stage = last
        self.stages = nn.ModuleList()
        self._frozen_stages = self._checked_frozen_stages(frozen_stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of ``out_indices``, finest first.

        Args:
            x (Tensor): Images of shape (N, 3, H, W).

        Returns:
            tuple[Tensor]: One (N, out_channels[i], H / out_strides[i], W / out_strides[i]) each.
        """
        features = []
        for i, stage in enumerate(self.stages[: max(self.out_indices) + 1]):
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
        """Set the mode, but keep frozen stages in eval: their batch-norm statistics rest too."""
        super().train(mode)
        for stage in self.stages[: self._frozen_stages + 1]:
            stage.eval()
        return self

    def init_weights(self) -> None:
        """Initialize, and stop when a ``Pretrained`` checkpoint does not hold every tensor."""
        configs = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg or {}]
        pretrained = [cfg for cfg in configs if cfg.get('type') == 'Pretrained']
        for cfg in pretrained:
            count = require_all_tensors(self, cfg['checkpoint'], cfg.get('prefix') or '')
            MMLogger.get_current_instance().info(
                f'{count} of {count} tensors of {type(self).__name__} loaded from {cfg["checkpoint"]}'
            )
        super().init_weights()

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

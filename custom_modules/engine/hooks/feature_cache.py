"""Cache of a frozen encoder's features."""

from collections.abc import Iterator, Sequence

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from custom_modules.datasets.cache import static_transforms
from custom_modules.engine.data_checks import files_of_batch
from custom_modules.engine.devices import inner_model
from custom_modules.engine.hooks.schedules import FreezeScheduleHook
from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.utils.errors import UsageError
from custom_modules.utils.machine import available_memory


class FeatureCache:
    """A frozen encoder's ``forward`` that computes each image's features once, and returns them in the same precision and layout.

    Only full batches are cached, since kernels for other batch sizes may round differently.
    """

    def __init__(self, backbone: nn.Module, batch_size: int) -> None:
        self.names: Sequence[str] | None = None  # the images of the next call; None bypasses the cache
        self._compute, self._batch_size = backbone.forward, batch_size
        # features by image and batch shape, and their layouts by batch shape
        self._rows: dict[tuple, list[Tensor]] = {}
        self._layouts: dict[tuple, list[tuple]] = {}

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute or look up the feature maps of images (N, 3, H, W)."""
        if self.names is None or not len(x) == len(self.names) == self._batch_size:
            return self._compute(x)
        # images are padded to the largest of their batch, so features depend on its shape
        shape = tuple(x.shape)
        keys = [(name, shape) for name in self.names]
        if all(key in self._rows for key in keys):
            return self._joined(keys, shape, x.device)
        features = self._compute(x)
        self._layouts[shape] = [(f.shape, f.stride(), f.dtype) for f in features]
        for row, key in enumerate(keys):
            if key not in self._rows:
                self._rows[key] = [f[row].clone() for f in features]
        return features

    def _joined(self, keys: list[tuple], batch_shape: tuple, device: torch.device) -> tuple[Tensor, ...]:
        features = []
        for level, (shape, stride, dtype) in enumerate(self._layouts[batch_shape]):
            feature = torch.empty_strided(shape, stride, dtype=dtype, device=device)
            features.append(torch.stack([self._rows[key][level] for key in keys], out=feature))
        return tuple(features)


# by name, since a classification run must not import mmseg
PREPROCESSORS = ('SegDataPreProcessor', 'BatchAugPreProcessor')
MEMORY_SHARE = 0.5  # of the free memory; the rest is for the decoder and the data loader


def require_constant_features(runner: Runner, model: nn.Module) -> None:
    """Refuse a run in which an image's features change between epochs, or exceed the memory."""
    for fault in _faults(runner, model):
        raise UsageError(f'the feature cache {fault}, or set default_hooks.feature_cache.enabled=False.')


def _faults(runner: Runner, model: nn.Module) -> Iterator[str]:
    """Yield what is wrong, and what helps; each check relies on the ones before it."""
    backbone, dataset, preprocessor = model.backbone, runner.train_dataloader.dataset, model.data_preprocessor
    if not isinstance(backbone, StagedBackbone) or not backbone.frozen_norm_eval:
        yield (
            'needs a StagedBackbone of this project whose batch norms freeze with their stages: choose one, and set '
            'model.backbone.frozen_norm_eval=True'
        )
    last, frozen = max(backbone.out_indices), [backbone.frozen_stages]
    for hook in runner.hooks:
        if isinstance(hook, FreezeScheduleHook):
            frozen += [v for epoch, v in hook.schedule.items() if epoch < runner.max_epochs]
    if min(frozen) < last:
        yield (
            f'needs an encoder that is frozen from the first epoch to the last, and frozen_stages is {min(frozen)} instead of '
            f'{last} at some time: freeze it with default_hooks.freeze_schedule.schedule={{0: {last}}}'
        )
    # a data set that wraps others has no pipeline itself, and is refused
    transforms = dataset.pipeline.transforms if hasattr(dataset, 'pipeline') else [dataset]
    rest = [type(step).__name__ for step in transforms[len(static_transforms(transforms)) :]]
    if type(preprocessor).__name__ not in PREPROCESSORS or getattr(preprocessor, 'augments', None):
        rest.insert(0, type(preprocessor).__name__)
    if rest not in ([], ['PackSegInputs']):
        yield (
            f'keeps what the encoder makes of each image, and {rest[0]} may be random: set '
            'train_dataloader.dataset.pipeline=_base_.plain_pipeline and leave model.data_preprocessor=_base_.batch_augments... out'
        )
    with torch.no_grad():
        features = backbone(preprocessor(pseudo_collate([dataset[0]]), True)['inputs'])
    each, device = sum(f.nbytes for f in features), features[0].device
    if device.type == 'cuda':
        needed, free = len(dataset) * each, torch.cuda.mem_get_info(device)[0]
    else:
        # over the epochs each process may see every image
        needed, free = len(dataset) * each * get_world_size(), available_memory()
    if free is not None and needed > MEMORY_SHARE * free:
        yield (
            f'would hold the features of {len(dataset)} training images, {each / 1e6:.2f} MB each, which take {needed / 1e6:.0f} MB, '
            f'and half of the free memory is {MEMORY_SHARE * free / 1e6:.0f} MB: lower load_size'
        )


@HOOKS.register_module()
class FeatureCacheHook(Hook):
    """Compute the features of a frozen encoder once per training image; later epochs run the decoder alone.

    Raises a UsageError before the first step if the encoder is not frozen throughout, or follows anything random. On a CPU the
    trained weights are bit-identical to those without it. The features stay in the memory of the model's device.

    Args:
        enabled (bool): ``default_hooks = dict(feature_cache=dict(enabled=True))`` switches it on. Defaults to False.
    """

    priority = 'LOW'  # after CompileHook and FreezeScheduleHook

    def __init__(self, enabled: bool = False) -> None:
        self.enabled, self._cache = enabled, None

    def before_train(self, runner) -> None:
        """Put the cache in place of the encoder's ``forward``."""
        if not self.enabled:
            return
        model = inner_model(runner.model)
        require_constant_features(runner, model)
        self._backbone = model.backbone
        self._cache = FeatureCache(self._backbone, runner.train_dataloader.batch_size)
        self._backbone.forward = self._cache.forward

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Tell the cache which images follow."""
        if self._cache is not None:
            self._cache.names = files_of_batch(data_batch)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Bypass the cache until the next step, for the images of a validation."""
        if self._cache is not None:
            self._cache.names = None

    def after_train(self, runner) -> None:
        """Put the encoder's ``forward`` back, and free the memory."""
        if self._cache is not None:
            vars(self._backbone).pop('forward', None)
            self._cache = None

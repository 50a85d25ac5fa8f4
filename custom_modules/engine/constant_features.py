import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_world_size
from mmengine.runner import Runner
from torch import nn

from custom_modules.datasets.decoded.static_transforms import static_transforms
from custom_modules.diagnosis.available_memory import available_memory
from custom_modules.models.backbones.staged_backbone import StagedBackbone
from custom_modules.usage_error import UsageError

from .hooks.freeze_schedule_hook import FreezeScheduleHook

# by name: a classification run does not have these classes
PREPROCESSORS = ('SegDataPreProcessor', 'BatchAugPreProcessor')
# the rest is for the decoder, and for loading
SHARE = 0.5


def require_constant_features(runner: Runner, model: nn.Module) -> None:
    """Refuse a run in which an image's features are not the same in every epoch, or do not fit into memory.

    Args:
        runner (Runner): The runner, before it trains.
        model (nn.Module): Its segmentor, without a wrapper.

    Raises:
        UsageError: With what changes them, or how much memory they take and there is.
    """
    _require_frozen(runner, model.backbone)
    _require_nothing_random(runner, model.data_preprocessor)
    sample = pseudo_collate([runner.train_dataloader.dataset[0]])
    if 'img_path' not in sample['data_samples'][0]:
        raise UsageError(
            "the feature cache tells images apart by their path: keep 'img_path' in the meta_keys of PackSegInputs."
        )
    with torch.no_grad():
        features = model.backbone(model.data_preprocessor(sample, True)['inputs'])
    nbytes = sum(f.nbytes for f in features)
    _require_room(len(runner.train_dataloader.dataset), nbytes, features[0].device)


def _require_frozen(runner: Runner, backbone: nn.Module) -> None:
    if not isinstance(backbone, StagedBackbone):
        raise UsageError(
            f'the feature cache needs a StagedBackbone of this project, which knows what is frozen, and the backbone is '
            f'{type(backbone).__name__}: set default_hooks.feature_cache.enabled=False.'
        )
    if not backbone.frozen_norm_eval:
        raise UsageError(
            'the feature cache keeps what the encoder makes of each image, and with frozen_norm_eval=False its batch norms go '
            'on adapting: set model.backbone.frozen_norm_eval=True, or default_hooks.feature_cache.enabled=False.'
        )
    last = max(backbone.out_indices)
    frozen = [backbone.frozen_stages]
    for hook in runner.hooks:
        if isinstance(hook, FreezeScheduleHook):
            frozen += [v for epoch, v in hook.schedule.items() if epoch < runner.max_epochs]
    if min(frozen) < last:
        raise UsageError(
            f'the feature cache needs an encoder that is frozen from the first epoch to the last, and frozen_stages is '
            f'{min(frozen)} instead of {last} at some time: freeze it with default_hooks.freeze_schedule.schedule='
            f'{{0: {last}}}, or set default_hooks.feature_cache.enabled=False.'
        )


def _require_nothing_random(runner: Runner, preprocessor: nn.Module) -> None:
    pipeline = getattr(runner.train_dataloader.dataset, 'pipeline', None)
    if pipeline is None:
        kind = type(runner.train_dataloader.dataset).__name__
        raise _random(f'the training set ({kind}) wraps others, whose pipelines are not looked at')
    rest = pipeline.transforms[len(static_transforms(pipeline.transforms)) :]
    names = [type(transform).__name__ for transform in rest]
    if names not in ([], ['PackSegInputs']):
        raise _random(f'the training pipeline holds {names[0]}, which may be random')
    if any(type(hook).__name__ == 'PipelineSwitchHook' for hook in runner.hooks):
        raise _random('PipelineSwitchHook changes the pipeline')
    kind = type(preprocessor).__name__
    if kind not in PREPROCESSORS or getattr(preprocessor, 'augments', None):
        raise _random(f'the data preprocessor ({kind}) may be random')


def _random(reason: str) -> UsageError:
    return UsageError(
        f'the feature cache keeps what the encoder makes of each image, and {reason}: set '
        'train_dataloader.dataset.pipeline=_base_.plain_pipeline and leave model.data_preprocessor=_base_.batch_augments... out, '
        'or set default_hooks.feature_cache.enabled=False.'
    )


def _require_room(count: int, nbytes: int, device: torch.device) -> None:
    if device.type == 'cuda':
        needed, free = count * nbytes, torch.cuda.mem_get_info(device)[0]
    else:
        # each process may come to see every image
        needed, free = count * nbytes * get_world_size(), available_memory()
    if free is not None and needed > SHARE * free:
        raise UsageError(
            f'the features of {count} training images, {nbytes / 1e6:.2f} MB each, take {needed / 1e6:.0f} MB, and half of the '
            f'free memory is {SHARE * free / 1e6:.0f} MB: lower load_size, or set default_hooks.feature_cache.enabled=False.'
        )

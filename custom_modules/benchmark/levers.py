from mmengine.config import Config

from custom_modules.utils.errors import UsageError

_LOAD = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ResizeToLoadSize'),
]
# For each lever the config options that switch it off, and those that switch it on. The first option tells which way it
# is now: a config that lacks it has the first value of DEFAULTS, or no such lever.
LEVERS = {
    'cache': dict(
        off={'train_dataloader.dataset.cache': None, 'val_dataloader.dataset.cache': None},
        on={'train_dataloader.dataset.cache': 'ram', 'val_dataloader.dataset.cache': 'ram'},
    ),
    'channels_last': dict(
        off={'default_hooks.channels_last.enabled': False},
        on={'default_hooks.channels_last.enabled': True},
    ),
    'fused_optimizer': dict(
        off={'optim_wrapper.optimizer.fused': False},
        on={'optim_wrapper.optimizer.fused': True},
    ),
    'lazy_scalars': dict(
        off={'default_hooks.lazy_scalars.enabled': False},
        on={'default_hooks.lazy_scalars.enabled': True},
    ),
    'batched_validation': dict(
        off={'val_dataloader.batch_size': 1},
        on={'val_dataloader.batch_size': 16},
    ),
    'batch_augmentation': dict(
        off={
            'model.data_preprocessor.augments': [],
            'train_dataloader.dataset.pipeline': [
                *_LOAD,
                dict(type='RandomFlip', prob=0.5),
                dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
                dict(type='PhotoMetricDistortion'),
                dict(type='PackSegInputs'),
            ],
        },
        on={
            'model.data_preprocessor.augments': [
                dict(type='BatchRandomFlip', prob=0.5),
                dict(type='BatchRandomAffine', prob=0.5, degree=10),
                dict(type='BatchPhotoMetricDistortion'),
            ],
            'model.data_preprocessor.type': 'BatchAugPreProcessor',
            'train_dataloader.dataset.pipeline': [*_LOAD, dict(type='PackSegInputs')],
        },
    ),
    'frozen_encoder': dict(
        off={'default_hooks.freeze_schedule.schedule': {0: -1}},
        on={'default_hooks.freeze_schedule.schedule': {0: 4}},
    ),
    'feature_cache': dict(
        off={'default_hooks.feature_cache.enabled': False},
        on={'default_hooks.feature_cache.enabled': True},
    ),
    'bfloat16': dict(
        off={'optim_wrapper.type': 'OptimWrapper'},
        on={'optim_wrapper.type': 'BFloat16OptimWrapper'},
    ),
    'compile': dict(
        off={'default_hooks.compile.enabled': False},
        on={'default_hooks.compile.enabled': True},
    ),
}
# changes what is learned, or fits few configs, and is moved only where it is asked for
ON_REQUEST = ('frozen_encoder', 'feature_cache', 'bfloat16')
# of hooks and classes, where a config may leave an option out
DEFAULTS = {
    'channels_last': True,
    'lazy_scalars': True,
    'batch_augmentation': [],
    'feature_cache': False,
    'compile': False,
}
MISSING = object()


def pull(cfg: Config, lever: str) -> tuple[str, Config]:
    """Make the config with one lever the other way: off if it is on, on if it is off.

    Args:
        cfg (Config): The config as it is.
        lever (str): A key of ``LEVERS``.

    Returns:
        tuple[str, Config]: The contestant's name, ``'without cache'`` or ``'with compile'``, and its config.

    Raises:
        UsageError: If there is no such lever, or the config has nothing that it could move: a lever that was renamed
            would else measure nothing.

    Example:
        >>> from mmengine.config import Config
        >>> name, other = pull(Config(dict(val_dataloader=dict(batch_size=32))), 'batched_validation')
        >>> name, other.val_dataloader.batch_size
        ('without batched_validation', 1)
    """
    if lever not in LEVERS:
        raise UsageError(f'there is no lever {lever!r}; there are {", ".join(LEVERS)}.')
    off, on = LEVERS[lever]['off'], LEVERS[lever]['on']
    state = next(iter(off))
    now = _value(cfg, state, DEFAULTS.get(lever, MISSING))
    word, options = ('with', on) if now == off[state] else ('without', off)
    other = Config(cfg.to_dict())
    for key, value in options.items():
        place, last = key.rsplit('.', 1)
        section = _value(other, place, MISSING)
        if now is MISSING or section is MISSING:
            raise UsageError(
                f'the lever {lever} moves {key}, which this config does not have: name other levers, or mend '
                'custom_modules/benchmark/levers.py.'
            )
        # merging would mix two lists
        section[last] = value
    return f'{word} {lever}', other


def _value(cfg: Config, key: str, default):
    """Look a setting up; the default is for its last part only."""
    *sections, last = key.split('.')
    place = cfg
    for section in sections:
        if section not in place:
            return MISSING
        place = place[section]
    return place.get(last, default)

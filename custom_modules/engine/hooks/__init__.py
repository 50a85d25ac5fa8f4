"""Hooks."""

from .channels_last_hook import ChannelsLastHook
from .checkpoint_after_val_hook import CheckpointAfterValHook
from .compile_hook import CompileHook
from .feature_cache_hook import FeatureCacheHook
from .fixed_samples_hook import FixedSamplesHook
from .freeze_schedule_hook import FreezeScheduleHook
from .group_rates_hook import GroupRatesHook
from .lazy_scalars_hook import LazyScalarsHook
from .resumable_early_stopping_hook import ResumableEarlyStoppingHook
from .run_check_hook import RunCheckHook

__all__ = [
    'ChannelsLastHook',
    'CheckpointAfterValHook',
    'CompileHook',
    'FeatureCacheHook',
    'FixedSamplesHook',
    'FreezeScheduleHook',
    'GroupRatesHook',
    'LazyScalarsHook',
    'ResumableEarlyStoppingHook',
    'RunCheckHook',
]

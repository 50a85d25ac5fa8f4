"""Hooks, schedulers, backends and safe loading: what a run of either library uses."""

from . import safe_loading  # noqa: F401  (its import closes the unsafe path)
from .atomic_local_backend import AtomicLocalBackend
from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .group_one_cycle_lr import GroupOneCycleLR
from .hooks import (
    ChannelsLastHook,
    CheckpointAfterValHook,
    CompileHook,
    FixedSamplesHook,
    FreezeScheduleHook,
    GroupRatesHook,
    LazyScalarsHook,
    ResumableEarlyStoppingHook,
    RunCheckHook,
)

__all__ = [
    'AtomicLocalBackend',
    'BFloat16OptimWrapper',
    'ChannelsLastHook',
    'CheckpointAfterValHook',
    'CompileHook',
    'FixedSamplesHook',
    'FreezeScheduleHook',
    'GroupOneCycleLR',
    'GroupRatesHook',
    'LazyScalarsHook',
    'ResumableEarlyStoppingHook',
    'RunCheckHook',
]

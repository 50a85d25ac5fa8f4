"""Hooks, schedulers, backends and safe loading: what a run of either library uses."""

from . import safe_loading  # noqa: F401  (its import closes the unsafe path)
from .atomic_local_backend import AtomicLocalBackend
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

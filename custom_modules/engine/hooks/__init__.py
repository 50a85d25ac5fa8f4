"""Hooks."""

from .channels_last_hook import ChannelsLastHook
from .checkpoint_after_val_hook import CheckpointAfterValHook
from .freeze_schedule_hook import FreezeScheduleHook
from .resumable_early_stopping_hook import ResumableEarlyStoppingHook
from .run_check_hook import RunCheckHook

__all__ = [
    'ChannelsLastHook',
    'CheckpointAfterValHook',
    'FreezeScheduleHook',
    'ResumableEarlyStoppingHook',
    'RunCheckHook',
]

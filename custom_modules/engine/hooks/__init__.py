"""Hooks."""

from .channels_last_hook import ChannelsLastHook
from .freeze_schedule_hook import FreezeScheduleHook

__all__ = ['ChannelsLastHook', 'FreezeScheduleHook']

"""Hooks, backends and safe loading: what a run of either library uses."""

from . import safe_loading  # noqa: F401  (its import closes the unsafe path)
from .atomic_local_backend import AtomicLocalBackend
from .hooks import ChannelsLastHook, FreezeScheduleHook

__all__ = ['AtomicLocalBackend', 'ChannelsLastHook', 'FreezeScheduleHook']

"""Configs, weights, safe loading and hooks: what a run of either library uses."""

from . import safe_loading  # noqa: F401  (its import closes the unsafe path)

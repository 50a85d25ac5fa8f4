"""Configs, weights and hooks: what a run of either library uses."""

from custom_modules.models import safe_loading  # noqa: F401  (its import closes the unsafe path)

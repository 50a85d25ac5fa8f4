"""Models, and how weights get into them; ``backbones`` and ``layers`` need neither mmseg nor mmpretrain."""

from . import safe_loading  # noqa: F401  (its import makes all loading safe)

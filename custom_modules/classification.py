"""Registers what a classification run needs; it never imports mmseg."""

from .utils.errors import quiet_imports

with quiet_imports():
    from . import engine  # noqa: F401
    from .datasets import tiny_imagenet  # noqa: F401
    from .engine import optim  # noqa: F401
    from .engine.hooks import checkpointing, logging, run_check, schedules, speed  # noqa: F401
    from .evaluation import classification_report  # noqa: F401
    from .models import backbones, batch_photometric, classifiers  # noqa: F401
    from .visualization import trackers  # noqa: F401

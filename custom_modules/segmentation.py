"""Registers what a segmentation run needs; it never imports mmpretrain."""

from .utils.errors import quiet_imports

with quiet_imports():
    from . import engine  # noqa: F401
    from .datasets import mask_datasets, transforms  # noqa: F401
    from .engine import optim  # noqa: F401
    from .engine.hooks import checkpointing, feature_cache, logging, run_check, schedules, speed  # noqa: F401
    from .evaluation import class_iou_metric  # noqa: F401
    from .models import backbones, batch_photometric, data_preprocessor, losses, segmentors, unet_head  # noqa: F401
    from .visualization import trackers, visualizer  # noqa: F401

"""Registers what a segmentation run needs; it never imports mmpretrain."""

from . import engine  # noqa: F401
from .datasets import indexed_mask_dataset, moon_dataset, transforms  # noqa: F401
from .evaluation import class_iou_metric  # noqa: F401
from .models import backbones, data_preprocessors, decode_heads, losses, segmentors  # noqa: F401
from .models.backbones import resnet_with_stem  # noqa: F401
from .visualization import (  # noqa: F401
    mlflow_tracker,
    optional_vis_backend,
    panel_visualizer,
    score_log_processor,
    wandb_tracker,
)

"""Registers what a classification run needs; it never imports mmseg."""

from . import engine  # noqa: F401
from .datasets import tiny_image_net  # noqa: F401
from .evaluation import classification_report  # noqa: F401
from .models import backbones  # noqa: F401
from .visualization import mlflow_tracker, optional_vis_backend, wandb_tracker  # noqa: F401

"""Registers what a segmentation run needs; it never imports mmpretrain."""

from . import engine, evaluation, visualization  # noqa: F401
from .datasets import moon_dataset, transforms  # noqa: F401
from .models import backbones, decode_heads, losses, segmentors  # noqa: F401

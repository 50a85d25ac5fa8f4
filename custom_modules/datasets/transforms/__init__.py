"""Pipeline steps of segmentation."""

from .resize_to_load_size import ResizeToLoadSize

__all__ = ['ResizeToLoadSize']

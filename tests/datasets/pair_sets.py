"""Small sets of pairs, and what their samples are compared by."""

import copy
import gc
import random
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.registry import init_default_scope

from custom_modules.datasets import loading, transforms

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
RESIZE, PACK = dict(type='ResizeToLoadSize'), dict(type='PackSegInputs')
RESIZE_OTHERWISE = dict(type='Resize', scale=(40, 20), keep_ratio=True)
AUGMENT = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type='PhotoMetricDistortion'),
]


def built(root, pipeline=(*LOAD, RESIZE, PACK), **options):
    """Build a set of ten pairs; nothing is decoded yet."""
    from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset

    init_default_scope('mmseg')
    given = dict(
        classes=('background', 'rock'),
        label_map=[(0, 0), (255, 1)],
        data_prefix=dict(img_path='images/render', seg_map_path='images/ground'),
        img_prefix='render',
        mask_prefix='ground',
        split='all',
        load_size=(32, 24),
        pipeline=copy.deepcopy(list(pipeline)),
    )
    return IndexedMaskDataset(str(root), **given | options)


def filled(root, pipeline=(*LOAD, RESIZE, PACK), **options):
    """As :func:`built`, and decoded, as a data loader of mmengine's runner finds it."""
    dataset = built(root, pipeline, cache='ram', **options)
    dataset.full_init()
    return dataset


def content(value):
    """What two samples are compared by: every key, type and number."""
    if hasattr(value, 'all_items'):
        return type(value), content(dict(value.all_items()))
    if isinstance(value, dict):
        return {key: content(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [type(value), *map(content, value)]
    if isinstance(value, torch.Tensor | np.ndarray):
        return type(value), value.dtype, tuple(value.shape), value.tolist()
    return value


def all_of(dataset) -> list:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return [content(dataset[i]) for i in range(len(dataset))]


def count_decodes(monkeypatch):
    """Give a function that counts the files which an act makes this process decode."""
    count = [0]

    def count_calls(real):
        def counted(*args, **kwargs):
            count[0] += 1
            return real(*args, **kwargs)

        return counted

    def of(act) -> int:
        before = count[0]
        act()
        return count[0] - before

    for module, name in ((loading, 'read_image'), (transforms, 'read_mask')):
        monkeypatch.setattr(module, name, count_calls(getattr(module, name)))
    return of


@contextmanager
def without_old_garbage():
    """Each data set makes mmengine collect garbage, which looks at all that the libraries have made."""
    import custom_modules.classification
    import custom_modules.segmentation  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()

"""Small sets of pairs, and what their samples are compared by."""

import copy
import gc
import random
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from PIL import Image

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
RESIZE, PACK = dict(type='ResizeToLoadSize'), dict(type='PackSegInputs')
PIPELINE = [*LOAD, RESIZE, PACK]
AUGMENT = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type='PhotoMetricDistortion'),
]


def built(root, pipeline=(*LOAD, RESIZE, PACK), **options):
    """Build a set of ten pairs; nothing is decoded yet."""
    from custom_modules.datasets.mask_datasets import IndexedMaskDataset

    init_default_scope('mmseg')
    # each data set makes mmengine collect garbage, which looks at all that the libraries have made
    gc.freeze()
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


def write(root: Path, name: str, mask, images: str = 'images', masks: str = 'masks') -> None:
    """A mask, of Pillow or an array, and a black image."""
    mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    for folder, picture in ((images, Image.new('RGB', mask.size)), (masks, mask)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        picture.save(root / folder / f'{name}.png')


def ids(dataset) -> list[str]:
    """Names of its images, without their prefix."""
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    return [Path(info['img_path']).stem.removeprefix('render') for info in infos]


def label(dataset, index: int = 0) -> np.ndarray:
    return dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()


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

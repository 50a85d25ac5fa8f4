"""Small sets of pairs, and what is asked of them."""

from pathlib import Path

import numpy as np
from pictures import save

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
RESIZE, PACK = dict(type='ResizeToLoadSize'), dict(type='PackSegInputs')
PIPELINE = [*LOAD, RESIZE, PACK]


def write(root: Path, name: str, mask: np.ndarray, images: str = 'images', masks: str = 'masks') -> None:
    save(root / images / f'{name}.png', np.zeros((*mask.shape, 3), np.uint8))
    save(root / masks / f'{name}.png', mask)


def ids(dataset) -> list[str]:
    """Names of its images, without their prefix."""
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    return [Path(info['img_path']).stem.removeprefix('render') for info in infos]


def label(dataset, index: int = 0) -> np.ndarray:
    return dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()

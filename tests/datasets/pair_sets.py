"""Small sets of pairs, and what is asked of them."""

from pathlib import Path

import numpy as np
from PIL import Image

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
RESIZE, PACK = dict(type='ResizeToLoadSize'), dict(type='PackSegInputs')
PIPELINE = [*LOAD, RESIZE, PACK]


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

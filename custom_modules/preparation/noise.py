"""Noise in the layouts of the data sets, for speed alone: nothing can be learnt from it."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from custom_modules.utils.machine import available_cores


def write_pairs(folder, count, size):
    """Write pairs of pictures and masks as PNG, in which bright patches are rock.

    Args:
        folder (Path): Where `images/render/render0001.png`, `images/ground/ground0001.png` and so on go.
        count (int): How many.
        size (tuple[int, int]): Their width and height.
    """
    for name in ('render', 'ground'):
        (folder / 'images' / name).mkdir(parents=True, exist_ok=True)

    def write(i):
        rng = np.random.default_rng(i)
        low = cv2.resize(rng.integers(0, 200, (6, 9, 3), np.uint8), size)
        image, mask = low + rng.integers(0, 24, low.shape, np.uint8), np.uint8(low[..., 0] > 130)
        for name, array in dict(render=image, ground=mask * 255).items():
            cv2.imwrite(str(folder / 'images' / name / f'{name}{i:04d}.png'), array)

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(write, range(1, count + 1)))


def write_classes(folder, classes, images):
    """Write 64x64 JPEG pictures in the layout of Tiny ImageNet.

    Args:
        folder (Path): Where `wnids.txt`, `words.txt`, `train` and `val` go.
        classes (int): How many classes.
        images (int): Pictures of each class for training; for validation there is one of each.
    """
    wnids, rng = [f'n{i:08d}' for i in range(classes)], np.random.default_rng(0)
    numbered = itertools.product(wnids, range(images))
    paths = [folder / 'train' / w / 'images' / f'{w}_{i}.JPEG' for w, i in numbered]
    for path in paths + [folder / 'val' / 'images' / f'{w}.JPEG' for w in wnids]:
        path.parent.mkdir(parents=True, exist_ok=True)
        low = rng.integers(0, 255, (8, 8, 3), np.uint8)
        # OpenCV goes by the end of the name, and does not know .JPEG on every system
        path.write_bytes(cv2.imencode('.jpg', cv2.resize(low, (64, 64)))[1].tobytes())
    lines = ''.join(f'{w}.JPEG\t{w}\t0\t0\t62\t62\n' for w in wnids)
    (folder / 'val' / 'val_annotations.txt').write_text(lines)
    (folder / 'wnids.txt').write_text('\n'.join(wnids) + '\n')
    (folder / 'words.txt').write_text(''.join(f'{w}\t{w}\n' for w in wnids))

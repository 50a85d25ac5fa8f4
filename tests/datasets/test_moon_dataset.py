"""MoonDataset: 0/255 masks, the split, the load size, and a sentence for each mistake."""

import numpy as np
import pytest
from conftest import make_moon, write_pair
from pair_sets import PIPELINE, ids, label
from PIL import Image

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures('segmentation')


@pytest.mark.parametrize('rock', [255, 1])
def test_masks_become_0_and_1(tmp_path, rock):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:20, 30:40] = rock
    write_pair(tmp_path, '0001', np.zeros((64, 64, 3), np.uint8), mask)
    found = MoonDataset(tmp_path, 'all', pipeline=PIPELINE)
    # its own size by default
    assert found[0]['inputs'].shape == (3, 64, 64)
    assert (label(found) == mask // rock).all()


def test_split_is_80_20_and_the_same_everywhere(moon, tmp_path):
    train, val, everything = (ids(MoonDataset(moon, split)) for split in ('train', 'val', 'all'))
    assert len(train) == 8 and sorted(train + val) == everything
    # written down once: another machine, another order of files or Python must give these
    assert val == ['0004', '0008']
    again = make_moon(tmp_path / 'again', count=0)
    for name in reversed(everything):
        write_pair(again, name, np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.uint8))
    assert ids(MoonDataset(again, 'val')) == val
    parts = [ids(MoonDataset(moon, s, test_fraction=0.2)) for s in ('train', 'val', 'test')]
    assert [len(part) for part in parts] == [6, 2, 2] and sorted(sum(parts, [])) == everything


def test_load_size_resizes_image_by_area_and_mask_by_nearest(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (96, 120, 3), dtype=np.uint8)
    mask = (rng.random((96, 120)) > 0.7).astype(np.uint8) * 255
    write_pair(tmp_path, '0001', image, mask)
    dataset = MoonDataset(tmp_path, 'all', load_size=(40, 32), pipeline=PIPELINE)
    bgr = dataset[0]['inputs'].numpy().transpose(1, 2, 0)
    # 3x3 cells: area is their mean, nearest is their centre
    cells = image[..., ::-1].reshape(32, 3, 40, 3, 3).mean((1, 3))
    assert np.abs(bgr - cells).max() <= 1
    assert (label(dataset) == mask[1::3, 1::3] // 255).all()
    assert dataset[0]['data_samples'].ori_shape == (32, 40)


def no_masks(root):
    for name in range(7):
        (root / 'images' / 'ground' / f'ground{name:04d}.png').unlink()


def jpegs(root):
    for path in (root / 'images' / 'render').iterdir():
        path.rename(path.with_suffix('.jpg'))


def no_rock(root):
    for path in (root / 'images' / 'ground').iterdir():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)


def nothing(root):
    pass


# bad pictures, masks and lists are in faults/test_bad_files.py
@pytest.mark.parametrize(
    ('spoil', 'arguments', 'words'),
    [
        (nothing, dict(data_prefix=dict(img_path='x', seg_map_path='y')), 'no such folder'),
        (jpegs, dict(img_suffix='.png'), r'0 images named render\*\.png .* 10 other files: render0000\.jpg.*img_suffix'),
        (no_masks, {}, r'7 of 10 images .* have no ground\*\.png .*: render0000\.png, .*render0004\.png, \.\.\.;'),
        (no_rock, {}, 'none of the 10 masks holds a single rock pixel'),
        (nothing, dict(split='test'), 'The test part .* is empty: 10 pairs'),
        (nothing, dict(data_root='nowhere'), 'looked for in .*nowhere.*prepare_data.py .*MOON_DATA'),
    ],
)  # fmt: skip
def test_each_mistake_gets_its_sentence(moon, spoil, arguments, words):
    spoil(moon)
    with pytest.raises(UsageError, match=words) as caught:
        MoonDataset(**{'data_root': moon, 'split': 'all', **arguments})
    assert '\n' not in str(caught.value)

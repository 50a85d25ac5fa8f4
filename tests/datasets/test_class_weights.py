"""Class weights equal a computation by hand, and are counted on what training reads."""

from pathlib import Path

import numpy as np
import pytest
from pair_sets import write

from custom_modules.datasets.mask_datasets import IndexedMaskDataset
from custom_modules.datasets.masks import class_weights, count_pixels
from custom_modules.utils.errors import UsageError

PARTS = dict(img_path='{split}/images', seg_map_path='{split}/masks')


@pytest.fixture
def root(tmp_path) -> Path:
    """Two training masks of 64x64: 3072 + 512 + 512 pixels of 0, 1 and 3, and 4096 of 0; one of test."""
    mask = np.zeros((64, 64), np.uint8)
    mask[:8], mask[8:16] = 1, 3
    write(tmp_path / 'train', 'a', mask)
    write(tmp_path / 'train', 'b', np.zeros((64, 64), np.uint8))
    write(tmp_path / 'test', 'c', np.full((64, 64), 3, np.uint8))
    return tmp_path


def data_set(root, classes=('ground', 'small', 'large'), **options) -> IndexedMaskDataset:
    options = dict(label_map={0: 0, 1: 1, 3: 2}, data_prefix=PARTS) | options
    return IndexedMaskDataset(root, classes, serialize_data=False, **options)


def test_pixels_are_counted_through_the_label_map(root):
    # a load size does not change the counts
    assert count_pixels(data_set(root, load_size=(8, 8))).tolist() == [[3072, 512, 512], [4096, 0, 0]]
    ignored = data_set(root, ('ground', 'small'), label_map=None, ignore_index=3)
    assert count_pixels(ignored).sum(axis=0).tolist() == [7168, 512]
    dataset = data_set(root, ('ground', 'small'), label_map=None, check=False)
    with pytest.raises(UsageError, match=r'a\.png holds the label 3, but the 2 classes'):
        count_pixels(dataset)


def test_weights_equal_a_computation_by_hand():
    found = class_weights(('ground', 'small', 'large'), np.array([[3072, 512, 512], [4096, 0, 0]]))
    # 1 / (3 * 7/8), 1 / (3 * 1/16)
    assert found['inverse_frequency'] == pytest.approx([8 / 21, 16 / 3, 16 / 3])
    # the share of 1 and 3 in the one mask that has them is 1/8, and it is the median
    assert found['median_frequency'] == pytest.approx([1 / 7, 1, 1])
    binary = class_weights(('background', 'rock'), np.array([[30, 2], [20, 8]]))
    assert binary['positive_weight'] == 5
    assert binary['median_frequency'] == pytest.approx([0.6, 3.0])
    none = class_weights(('ground', 'huge'), np.array([[30, 0], [20, 0]]))
    assert none['positive_weight'] is None and 'no pixel of huge in the 2 masks' in none['reason']

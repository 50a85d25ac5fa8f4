"""Data sets of pairs: indices, palettes, turned photographs, the split, the load size, class weights, and a sentence for each mistake."""

import numpy as np
import pytest
from conftest import write_pair
from mmengine.config import Config
from mmengine.registry import DATASETS
from pair_sets import PIPELINE, ids, label, write
from pictures import encoded, with_turn

from custom_modules.datasets.mask_datasets import IndexedMaskDataset, MoonDataset
from custom_modules.datasets.masks import class_weights, count_pixels
from custom_modules.utils.errors import UsageError

CLASSES = ('background', 'small', 'large')
pytestmark = pytest.mark.usefixtures('segmentation')
BEYOND, ROCKS_OF_255 = {3: (0, 1, 2, 7)}, dict.fromkeys(range(10), (0, 255))


@pytest.fixture
def said(monkeypatch) -> list[str]:
    said = []
    for module in ('pairs', 'mask_datasets'):
        monkeypatch.setattr(f'custom_modules.datasets.{module}.warn', said.append)
    return said


def bands(values=(0, 1, 2, 1), size: int = 64) -> np.ndarray:
    return np.repeat(np.array(values, np.uint8), size // len(values))[:, None].repeat(size, 1)


@pytest.fixture
def root(tmp_path):
    for i in range(10):
        write(tmp_path, f'{i:02d}', bands())
    return tmp_path


def make(root, classes=CLASSES, **options) -> IndexedMaskDataset:
    # mmengine's serializing collects garbage, which takes longer than all the rest
    return IndexedMaskDataset(root, classes, serialize_data=False, **options)


@pytest.mark.parametrize(
    ('values', 'label_map', 'expected'),
    [
        ((0, 1, 2, 1), None, (0, 1, 2, 1)),
        ((0, 1, 2, 3), {'0': 0, '1': 0, '2': 1, '3': 2}, (0, 0, 1, 2)),
        # nothing is mapped twice
        ((0, 1, 2, 9), {0: 1, 1: 2, 2: 0, 9: 0}, (1, 2, 0, 0)),
    ],
)
def test_masks_hold_class_indices_or_what_the_label_map_says(tmp_path, values, label_map, expected):
    write(tmp_path, 'a', bands(values))
    dataset = make(tmp_path, split='all', label_map=label_map, pipeline=PIPELINE)
    assert (label(dataset) == bands(expected)).all() and dataset.metainfo['classes'] == CLASSES


@pytest.mark.parametrize(('ignored', 'named'), [(255, 255), (9, [7, 9])])
def test_ignored_pixels_become_255_if_they_are_named(tmp_path, ignored, named):
    write(tmp_path, 'a', bands((0, 1, 2, ignored)))
    with pytest.raises(UsageError, match=rf'other than 0 to 2: .*a\.png \({ignored}\)'):
        make(tmp_path, split='all')
    assert (label(make(tmp_path, split='all', ignore_index=named, pipeline=PIPELINE)) == bands((0, 1, 2, 255))).all()


def test_parts_with_folders_of_their_own(tmp_path):
    """All of a folder, hashed or not; the part may have any name."""
    folders = 'i/{split}', '{split}/m'
    for split, names in (('train', 'abc'), ('validation', 'de'), ('test', 'f')):
        images, masks = (folder.format(split=split) for folder in folders)
        for name in names:
            write(tmp_path, name, bands(), images=images, masks=masks)
    prefix = dict(img_path=folders[0], seg_map_path=folders[1])

    def part(split, **options):
        return ids(make(tmp_path, split=split, data_prefix=prefix, **options))

    assert [part('train'), part('validation'), part('test')] == [['a', 'b', 'c'], ['d', 'e'], ['f']]
    (tmp_path / 'mine.txt').write_text('b\n')
    assert part('train', ann_file='mine.txt') == ['b']


def test_a_class_without_a_pixel_is_said(root, said):
    write(root, '00', bands((0, 0)))
    make(root)
    assert not said
    make(root, (*CLASSES, 'huge'), split='val')
    assert len(said) == 1 and 'no pixel of huge in the 2 masks of the val part' in said[0]


@pytest.mark.parametrize(
    ('masks', 'arguments', 'words'),
    [
        (BEYOND, {}, r'^1 of 10 pairs .* other than 0 to 2: .*03\.png \(7\); give .*label_map'),
        (BEYOND, dict(label_map={0: 0, 1: 1, 7: 2}), r'other than 0, 1, 7: .*00\.png \(2\)'),
        (BEYOND, dict(ignore_index=255), r'03\.png \(7\); [^;]*0/255\.$'),
        (ROCKS_OF_255, dict(classes=CLASSES[:2]), r'\(255\).*; .*\{0: 0, 255: 1\}.*ignore_index=255'),
        ({}, dict(val_fraction=1.0), 'leave some for training, got 1.0 and 0.0'),
        ({}, dict(classes='rock'), "list of 2 to 255 different names, .* got 'rock'"),
        ({}, dict(palette=[[0, 0, 0]]), 'palette holds .* each of the 3 classes, got'),
        ({}, dict(label_map={0: 3}), r'value 0 to 3, but the 3 classes .* indices 0 to 2'),
        ({}, dict(ignore_index=2), "ignore_index=2 is also the mask value of class 'large'"),
    ],
)
def test_each_mistake_gets_its_sentence(root, masks, arguments, words):
    for number, values in masks.items():
        write(root, f'{number:02d}', bands(values))
    with pytest.raises(UsageError, match=words):
        make(root, split='all', **arguments)


@pytest.mark.parametrize(
    ('name', 'labels', 'classes'),
    [
        ('unet_r34', [0, 0, 1, 2], ('background', 'small_rock', 'large_rock')),
        ('unet_r34_4_classes', [0, 1, 2, 3], ('ground', 'sky', 'small_rock', 'large_rock')),
    ],
)
def test_lunar_configs(name, labels, classes, repository, tmp_path, monkeypatch):
    monkeypatch.setenv('MOON_MULTICLASS_DATA', str(tmp_path))
    for i in range(10):
        write_pair(tmp_path, f'{i}', np.zeros((64, 64, 3), np.uint8), bands((0, 1, 2, 3)))
    cfg = Config.fromfile(repository / 'configs' / 'multiclass' / f'{name}.py')
    parts = []
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        dataset = DATASETS.build({**loader.dataset, 'pipeline': PIPELINE})
        assert label(dataset)[::64, 0].tolist() == labels and dataset.metainfo['classes'] == classes
        parts.append(ids(dataset))
    assert [len(part) for part in parts] == [6, 2, 2] and len(set(sum(parts, []))) == 10


def test_split_is_80_20_and_the_same_everywhere(moon):
    train, val, everything = (ids(MoonDataset(moon, split)) for split in ('train', 'val', 'all'))
    assert len(train) == 8 and sorted(train + val) == everything
    # written down once: another machine or Python must give these
    assert val == ['0004', '0008']


def test_load_size_resizes_image_by_area_and_mask_by_nearest(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (96, 120, 3), dtype=np.uint8)
    mask = (rng.random((96, 120)) > 0.7).astype(np.uint8) * 255
    write_pair(tmp_path, '0001', image, mask)
    dataset = MoonDataset(tmp_path, 'all', load_size=(40, 32), pipeline=PIPELINE)
    bgr = dataset[0]['inputs'].numpy().transpose(1, 2, 0)
    # 3x3 cells: area is their mean, nearest is their centre
    assert np.abs(bgr - image[..., ::-1].reshape(32, 3, 40, 3, 3).mean((1, 3))).max() <= 1
    assert (label(dataset) == mask[1::3, 1::3] // 255).all()
    assert dataset[0]['data_samples'].ori_shape == (32, 40)


def test_a_mask_that_its_photographs_tag_leaves_in_doubt(tmp_path, said):
    """What fits is in tests/faults/test_other_peoples_files.py."""
    upright = np.random.default_rng(1).integers(0, 99, (40, 64, 3), dtype=np.uint8)
    labels = np.zeros((40, 64), np.uint8)
    labels[5:10, 5:30] = 255
    write_pair(tmp_path, '0', upright, labels)
    image, mask = (tmp_path / 'images' / kind / f'{kind}0.png' for kind in ('render', 'ground'))
    # upside down: sizes do not prove which one is right
    image.write_bytes(encoded(upright[::-1, ::-1].copy(), exif=with_turn(3)))
    MoonDataset(tmp_path, 'all')
    assert len(said) == 1 and 'ground0.png' in said[0]
    # it fits the unturned image only: the remedy works
    lying = np.rot90(upright).copy()
    image.write_bytes(encoded(lying, exif=with_turn(6)))
    mask.write_bytes(encoded(np.rot90(labels).copy()))
    with pytest.raises(UsageError, match=r'before an EXIF tag turns one .*exiftool -Orientation= '):
        MoonDataset(tmp_path, 'all')
    image.write_bytes(encoded(lying))
    assert len(MoonDataset(tmp_path, 'all')) == 1


def test_pixels_are_counted_through_the_label_map(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:8], mask[8:16] = 1, 3
    for part, name, own in (('train', 'a', mask), ('train', 'b', mask * 0), ('test', 'c', mask * 0 + 3)):
        write(tmp_path / part, name, own)

    def counted(classes, **options):
        parts = dict(img_path='{split}/images', seg_map_path='{split}/masks')
        return count_pixels(make(tmp_path, classes, data_prefix=parts, **options))

    # of the training masks, and a load size does not change the counts
    assert counted(CLASSES, label_map={0: 0, 1: 1, 3: 2}, load_size=(8, 8)).tolist() == [[3072, 512, 512], [4096, 0, 0]]
    assert counted(CLASSES[:2], ignore_index=3).sum(axis=0).tolist() == [7168, 512]


def test_weights_equal_a_computation_by_hand():
    found = class_weights(('ground', 'small', 'large'), np.array([[3072, 512, 512], [4096, 0, 0]]))
    # 1 / (3 * 7/8), 1 / (3 * 1/16)
    assert found['inverse_frequency'] == pytest.approx([8 / 21, 16 / 3, 16 / 3])
    # the share of 1 and 3 in the one mask that has them is 1/8, and it is the median
    assert found['median_frequency'] == pytest.approx([1 / 7, 1, 1])
    binary = class_weights(('background', 'rock'), np.array([[30, 2], [20, 8]]))
    assert binary['positive_weight'] == 5 and binary['median_frequency'] == pytest.approx([0.6, 3.0])
    none = class_weights(('ground', 'huge'), np.array([[30, 0], [20, 0]]))
    assert none['positive_weight'] is None and 'no pixel of huge in the 2 masks' in none['reason']

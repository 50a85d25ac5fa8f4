"""MoonDataset: 0/255 masks, the split, the load size, and a sentence for each mistake."""

import cv2
import numpy as np
import pytest
from conftest import make_moon, write_pair
from PIL import Image

from custom_modules.datasets.moon_dataset import MoonDataset
from custom_modules.utils.errors import UsageError

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ResizeToLoadSize'),
    dict(type='PackSegInputs'),
]


@pytest.fixture(autouse=True)
def registered():
    from mmengine.registry import init_default_scope

    import custom_modules.segmentation  # noqa: F401

    init_default_scope('mmseg')


def ids(dataset) -> list[str]:
    return [dataset.get_data_info(i)['img_path'][-8:-4] for i in range(len(dataset))]


@pytest.mark.parametrize('rock', [255, 1])
def test_masks_become_0_and_1(tmp_path, rock):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:20, 30:40] = rock
    write_pair(tmp_path, '0001', np.zeros((64, 64, 3), np.uint8), mask)
    label = MoonDataset(tmp_path, 'all', pipeline=PIPELINE)[0]['data_samples'].gt_sem_seg.data
    assert label.unique().tolist() == [0, 1]
    assert (label[0, 10:20, 30:40] == 1).all() and int(label.sum()) == 100


def test_split_is_80_20_and_the_same_everywhere(moon, tmp_path):
    train, val, everything = (ids(MoonDataset(moon, split)) for split in ('train', 'val', 'all'))
    assert len(train) == 8 and len(val) == 2
    assert sorted(train + val) == everything
    # written down once: another machine, another order of files or Python must give these
    assert val == ['0004', '0008']
    again = make_moon(tmp_path / 'again', count=0)
    for name in reversed(everything):
        write_pair(again, name, np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.uint8))
    assert ids(MoonDataset(again, 'val')) == val


def test_three_way_split_is_disjoint(moon):
    parts = [ids(MoonDataset(moon, s, test_fraction=0.2)) for s in ('train', 'val', 'test')]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert len(set(sum(parts, []))) == 10


def test_list_file_replaces_the_hash(moon):
    (moon / 'mine.txt').write_text('0007\n0002\n')
    assert ids(MoonDataset(moon, 'val', ann_file='mine.txt')) == ['0002', '0007']


def test_load_size_resizes_image_by_area_and_mask_by_nearest(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (96, 120, 3), dtype=np.uint8)
    mask = (rng.random((96, 120)) > 0.7).astype(np.uint8) * 255
    write_pair(tmp_path, '0001', image, mask)
    sample = MoonDataset(tmp_path, 'all', load_size=(40, 32), pipeline=PIPELINE)[0]
    bgr = sample['inputs'].numpy().transpose(1, 2, 0)
    # 3x3 cells: area is their mean, nearest is their centre
    cells = image[..., ::-1].reshape(32, 3, 40, 3, 3).mean((1, 3))
    assert np.abs(bgr - cells).max() <= 1
    label = sample['data_samples'].gt_sem_seg.data[0].numpy()
    assert (label == mask[1::3, 1::3] // 255).all()
    assert sample['data_samples'].ori_shape == (32, 40)


def test_original_size_by_default(moon):
    sample = MoonDataset(moon, 'all', pipeline=PIPELINE)[0]
    assert sample['inputs'].shape == (3, 64, 64)


def test_other_names_and_folders_by_arguments(tmp_path):
    for folder, name in (('pictures', 'a.jpg'), ('masks', 'a_mask.png')):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / name), np.eye(8, dtype=np.uint8))
    dataset = MoonDataset(
        tmp_path,
        'all',
        data_prefix=dict(img_path='pictures', seg_map_path='masks'),
        img_prefix='',
        mask_prefix='',
        img_suffix='.jpg',
        seg_map_suffix='_mask.png',
    )
    assert len(dataset) == 1


def test_relative_root_is_found_from_any_folder(moon, monkeypatch):
    monkeypatch.chdir(moon.parent)
    assert len(MoonDataset('moon', 'all')) == 10


def mask_path(root, name='0003'):
    return root / 'images' / 'ground' / f'ground{name}.png'


def no_masks(root):
    for name in range(7):
        mask_path(root, f'{name:04d}').unlink()


def jpegs(root):
    for path in (root / 'images' / 'render').iterdir():
        path.rename(path.with_suffix('.jpg'))


def grey_levels(root):
    Image.fromarray(np.full((64, 64), 128, np.uint8)).save(mask_path(root))


def mixed_values(root):
    mask = np.array([[0, 1], [255, 0]], np.uint8).repeat(32, 0).repeat(32, 1)
    Image.fromarray(mask).save(mask_path(root))


def colour_mask(root):
    Image.fromarray(np.eye(64, dtype=np.uint8)[..., None] * np.uint8([9, 0, 0])).save(
        mask_path(root)
    )


def other_size(root):
    Image.fromarray(np.zeros((64, 32), np.uint8)).save(mask_path(root))


def truncated(root):
    path = root / 'images' / 'render' / 'render0003.png'
    path.write_bytes(path.read_bytes()[:-2000])


def not_a_picture(root):
    mask_path(root).write_text('hello')


def no_rock(root):
    for path in (root / 'images' / 'ground').iterdir():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)


def nothing(root):
    pass


@pytest.mark.parametrize(
    ('spoil', 'arguments', 'words'),
    [
        (nothing, dict(data_prefix=dict(img_path='x', seg_map_path='y')), 'no such folder'),
        (
            jpegs,
            dict(img_suffix='.png'),
            r'0 images named render\*\.png .* 10 other files: render0000\.jpg.*img_suffix',
        ),
        (
            no_masks,
            {},
            r'7 of 10 images .* have no ground\*\.png .*: render0000\.png, .*render0004\.png, \.\.\.;',
        ),
        (grey_levels, {}, r'other than 0/255 or 0/1: .*ground0003.png \(128'),
        (mixed_values, {}, r'other than 0/255 or 0/1: .*ground0003.png \(0, 1, 255'),
        (colour_mask, {}, r'several channels: .*ground0003.png \(it has 3 channels that differ\)'),
        (other_size, {}, 'another size .*image 64x64, mask 32x64'),
        (truncated, {}, 'an unreadable file: .*render0003.png .*cut short'),
        (not_a_picture, {}, 'an unreadable file: .*ground0003.png'),
        (no_rock, {}, 'none of the 10 masks holds a single rock pixel'),
        (nothing, dict(split='test'), 'The test part .* is empty: 10 pairs'),
        (nothing, dict(split='dev'), "'train', 'val', 'test' or 'all', got 'dev'"),
        (nothing, dict(val_fraction=1.0), 'leave some for training'),
        (nothing, dict(ann_file='no.txt'), 'no.txt does not exist'),
    ],
)
def test_each_mistake_gets_its_sentence(moon, spoil, arguments, words):
    spoil(moon)
    with pytest.raises(UsageError, match=words) as caught:
        MoonDataset(moon, **{'split': 'all', **arguments})
    assert '\n' not in str(caught.value)


def test_missing_folder_names_where_it_looked_and_what_helps(tmp_path):
    with pytest.raises(UsageError, match='prepare_data.py .*MOON_DATA') as caught:
        MoonDataset(tmp_path / 'nowhere')
    assert str(tmp_path / 'nowhere') in str(caught.value)


def test_unknown_ids_in_a_list_file(moon):
    (moon / 'mine.txt').write_text('0001\n9999\n')
    with pytest.raises(UsageError, match='lists 2 ids, 1 of which have no pair .*: 9999'):
        MoonDataset(moon, ann_file='mine.txt')


def test_what_is_not_used_is_said(moon, monkeypatch):
    said = []
    monkeypatch.setattr('custom_modules.datasets.pairs.warn', said.append)
    (moon / 'images' / 'render' / 'notes.txt').write_text('')
    write_pair(moon, '0010', np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))
    (moon / 'images' / 'render' / 'render0010.png').unlink()
    assert len(MoonDataset(moon, 'all')) == 10
    assert len(said) == 2
    assert 'notes.txt' in said[0] and 'ground0010.png' in said[1]

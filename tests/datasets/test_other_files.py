"""Files as other people's tools write them: read as they look, or refused with what helps."""

import numpy as np
import pytest
from conftest import make_moon, write_pair
from mmengine.registry import init_default_scope
from pictures import encoded, of_palette, with_turn
from PIL import Image

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.utils.errors import UsageError

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


@pytest.fixture
def root(tmp_path):
    init_default_scope('mmseg')
    return make_moon(tmp_path / 'moon', 6)


def paths(root, name='0003'):
    return [root / 'images' / folder / f'{folder}{name}.png' for folder in ('render', 'ground')]


def loaded(root, name='0003', **options):
    """What training sees of a pair: image (H, W, 3) RGB, labels (H, W)."""
    dataset = MoonDataset(str(root), 'all', pipeline=LOAD, **options)
    files = [info['img_path'] for info in map(dataset.get_data_info, range(len(dataset)))]
    packed = dataset[next(i for i, file in enumerate(files) if name in file)]
    labels = packed['data_samples'].gt_sem_seg.data[0].numpy()
    return packed['inputs'].numpy().transpose(1, 2, 0)[..., ::-1], labels


def test_masks_are_learnt_as_they_look(root):
    """A palette in another order; more kinds are in utils/test_images.py."""
    _, mask = paths(root)
    expected = np.asarray(Image.open(mask)) // 255
    mask.write_bytes(of_palette(1 - expected, [[255] * 3, [0] * 3]))
    np.testing.assert_array_equal(loaded(root)[1], expected)


def turned(pixels, turn) -> bytes:
    """As a camera that lies on its side stores it, with a tag."""
    return encoded(np.ascontiguousarray(np.rot90(pixels, {6: 1, 3: 2}[turn])), exif=with_turn(turn))


@pytest.mark.parametrize('mask_too', [False, True])
def test_photographs_and_their_masks_are_turned_alike(root, mask_too):
    rng = np.random.default_rng(1)
    upright, labels = rng.integers(0, 99, (40, 64, 3), dtype=np.uint8), np.zeros((40, 64), np.uint8)
    labels[5:10, 5:30] = 255
    write_pair(root, '0003', upright, labels)
    for path, pixels in zip(paths(root), (upright, labels), strict=True):
        if path.name.startswith('render') or mask_too:
            path.write_bytes(turned(pixels, 6))
    image, found = loaded(root)
    np.testing.assert_array_equal(image, upright)
    np.testing.assert_array_equal(found, labels // 255)


def test_a_mask_that_fits_only_unturned_gets_a_remedy_that_works(root):
    upright, labels = np.zeros((40, 64, 3), np.uint8), np.zeros((40, 64), np.uint8)
    labels[5:10, 5:30] = 255
    write_pair(root, '0003', upright, np.ascontiguousarray(np.rot90(labels)))
    paths(root)[0].write_bytes(turned(upright, 6))
    with pytest.raises(UsageError, match=r'before an EXIF tag turns one .*exiftool -Orientation= '):
        MoonDataset(str(root), 'all')
    # what exiftool does
    paths(root)[0].write_bytes(encoded(np.ascontiguousarray(np.rot90(upright))))
    assert len(MoonDataset(str(root), 'all')) == 6


def test_a_turn_that_sizes_do_not_prove_is_a_warning(root, monkeypatch):
    said = []
    monkeypatch.setattr('custom_modules.datasets.pairs.warn', said.append)
    paths(root)[0].write_bytes(turned(np.asarray(Image.open(paths(root)[0])), 3))
    MoonDataset(str(root), 'all')
    assert len(said) == 1 and 'ground0003.png' in said[0]


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-be'])
def test_lists_of_every_editor(tmp_path, encoding):
    names = ['first one', 'zweites ü', '0003']
    for name in (*names, 'other'):
        write_pair(tmp_path, name, np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.uint8))
    text = '\r\n'.join([*names, '', ' '])
    mark = b'\xfe\xff' if encoding.endswith('be') else b''
    (tmp_path / 'list.txt').write_bytes(mark + text.encode(encoding))
    dataset = MoonDataset(str(tmp_path), 'all', ann_file='list.txt')
    assert len(dataset) == 3

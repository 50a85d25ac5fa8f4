"""Files as other people's tools write them: read as they look, or refused with what helps."""

import numpy as np
import pytest
from conftest import make_moon, write_pair
from mmengine.registry import init_default_scope
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


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA', 'palette'])
def test_masks_are_learnt_as_they_look(root, mode):
    """Grey in several channels, and a palette in another order."""
    _, mask = paths(root)
    image = Image.open(mask)
    expected = np.asarray(image) // 255
    if mode == 'palette':
        image = image.convert('P')
        image.putdata((1 - expected).ravel().tolist())
        image.putpalette([255] * 3 + [0] * 3)
    else:
        image = image.convert(mode)
    image.save(mask)
    np.testing.assert_array_equal(loaded(root)[1], expected)


def turned(pixels, turn):
    """Pixels as a camera that lies on its side stores them, and its tag."""
    exif = Image.Exif()
    exif[0x112] = turn
    return dict(stored=np.ascontiguousarray(np.rot90(pixels, {6: 1, 3: 2}[turn])), exif=exif)


@pytest.mark.parametrize('mask_too', [False, True])
def test_photographs_and_their_masks_are_turned_alike(root, mask_too):
    rng = np.random.default_rng(1)
    upright, labels = rng.integers(0, 99, (40, 64, 3), dtype=np.uint8), np.zeros((40, 64), np.uint8)
    labels[5:10, 5:30] = 255
    write_pair(root, '0003', upright, labels)
    for path, pixels in zip(paths(root), (upright, labels), strict=True):
        if path.name.startswith('render') or mask_too:
            given = turned(pixels, 6)
            Image.fromarray(given['stored']).save(path, exif=given['exif'])
    image, found = loaded(root)
    np.testing.assert_array_equal(image, upright)
    np.testing.assert_array_equal(found, labels // 255)


def test_a_mask_that_fits_only_unturned_gets_a_remedy_that_works(root):
    upright, labels = np.zeros((40, 64, 3), np.uint8), np.zeros((40, 64), np.uint8)
    labels[5:10, 5:30] = 255
    given = turned(upright, 6)
    write_pair(root, '0003', upright, np.ascontiguousarray(np.rot90(labels)))
    Image.fromarray(given['stored']).save(paths(root)[0], exif=given['exif'])
    with pytest.raises(UsageError, match=r'before an EXIF tag turns one .*exiftool -Orientation= '):
        MoonDataset(str(root), 'all')
    # what exiftool does
    Image.fromarray(given['stored']).save(paths(root)[0])
    assert len(MoonDataset(str(root), 'all')) == 6


def test_a_turn_that_sizes_do_not_prove_is_a_warning(root, monkeypatch):
    said = []
    monkeypatch.setattr('custom_modules.datasets.pairs.warn', said.append)
    given = turned(np.asarray(Image.open(paths(root)[0])), 3)
    Image.fromarray(given['stored']).save(paths(root)[0], exif=given['exif'])
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

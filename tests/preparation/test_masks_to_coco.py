"""Index masks become COCO annotations, and the way back gives the same masks."""

import re

import numpy as np
import pytest
from prepared import complaint, contents, load, save
from pycocotools.coco import COCO

from tools.prepare_data import main

NAMES = ['background', 'sky', 'small rock', 'large rock']


@pytest.fixture
def masks(tmp_path):
    """Pairs in a sub-folder and beside it; noise, so that components touch at edges and corners."""
    rng = np.random.default_rng(0)
    for name in ('0001.png', '0002.jpg', 'val/0001.jpeg', 'val/empty.png'):
        save(tmp_path / 'src/images' / name, rng.integers(0, 255, (40, 30, 3), dtype=np.uint8))
        blocks = np.kron(rng.integers(0, 4, (20, 15)), np.ones((2, 2)))
        mask = np.where(rng.random((40, 30)) < 0.1, 3, blocks).astype(np.uint8)
        path = (tmp_path / 'src/masks' / name).with_suffix('.png')
        save(path, mask * (path.stem != 'empty'))
    (tmp_path / 'src/classes.txt').write_text('\n'.join(NAMES) + '\n')
    return tmp_path / 'src'


def to_coco(src, out, *options):
    return main(['masks-to-coco', str(src / 'images'), str(src / 'masks'), '--out', str(out), *options])


def test_there_and_back_is_identical(masks, tmp_path, capsys):
    assert to_coco(masks, tmp_path / 'coco.json') == 0
    assert '4 images, 3 categories' in capsys.readouterr().out
    arguments = '--images', str(masks / 'images'), '--out', str(tmp_path / 'out')
    assert main(['coco-to-masks', str(tmp_path / 'coco.json'), *arguments]) == 0
    before, after = contents(masks), contents(tmp_path / 'out')
    assert before.keys() == after.keys()
    for path in before:
        # packed by another library
        same = before[path] == after[path]
        assert same or np.array_equal(load(masks / path), load(tmp_path / 'out' / path)), path


def test_annotations_are_components(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[0:2, 0:3] = 1
    mask[2, 3] = 1  # touches at a corner
    mask[4:6, 6:8] = 1
    mask[4, 5] = 2  # touches another class
    save(tmp_path / 'images/a.png', mask)
    save(tmp_path / 'masks/a.png', mask)
    options = ['--classes', 'ground', 'small', 'large', 'unseen']
    assert to_coco(tmp_path, tmp_path / 'a.json', *options) == 0
    read = COCO(tmp_path / 'a.json')
    assert [c['name'] for c in read.loadCats(read.getCatIds())] == ['small', 'large', 'unseen']
    found = [(a['category_id'], a['area'], a['bbox']) for a in read.anns.values()]
    assert found == [(1, 7, [0, 0, 4, 3]), (1, 4, [6, 4, 2, 2]), (2, 1, [5, 4, 1, 1])]
    assert np.array_equal(read.annToMask(read.anns[1]), (mask == 1) * (np.arange(8) < 4))


def mask(pixels):
    return lambda src: save(src / 'masks/0001.png', pixels)


def gone(name):
    return lambda src: (src / name).unlink()


BLACK = np.zeros((40, 30), np.uint8)
BAD = {
    'index': (mask(BLACK + 255), "masks/0001.png holds index 255, but the last of 4 classes is 3, 'large rock'"),
    'size': (mask(BLACK.T), 'masks/0001.png is 40x30 pixels, but .*images/0001.png is 30x40'),
    'no mask': (gone('masks/val/0001.png'), r'1 images have no mask in .* \(val/0001\)'),
    'no image': (gone('images/val/0001.jpeg'), r'1 masks have no image in .* \(val/0001\)'),
    'one mask': (lambda src: save(src / 'images/0001.jpg', BLACK), '0001.jpg and .*0001.png would share a mask'),
    'no classes': (gone('classes.txt'), 'neither named by --classes background NAME ... nor in .*classes.txt'),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_bad_masks_are_refused(masks, tmp_path, capsys, name):
    damage, sentence = BAD[name]
    damage(masks)
    assert to_coco(masks, tmp_path / 'coco.json') == 2
    text = complaint(capsys)
    assert re.search(sentence, text), text
    assert not (tmp_path / 'coco.json').exists()

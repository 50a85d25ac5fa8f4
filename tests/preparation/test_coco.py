"""COCO json to index masks and back: nothing is lost, nothing lands outside, nothing is replaced unseen."""

import json
import re

import numpy as np
import pytest
from pictures import complaint, contents, load, save, with_turn
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO

from tools.prepare_data import main

HEIGHT, WIDTH = 12, 16
BLACK = np.zeros((HEIGHT, WIDTH), np.uint8)
EXPECTED = BLACK.copy()
# rock: its id is the higher one
EXPECTED[2:5, 3:9] = 2
# a float would be the next image's id too
FIRST = 2**54 + 1
CATEGORIES = [dict(id=7, name='rock'), dict(id=3, name='sky')]
NAMES = ['background', 'sky', 'small rock', 'large rock']


def square(left, top, right, bottom):
    """A polygon, its corners as pycocotools rounds them to pixels."""
    return [left, top, right, top, right, bottom, left, bottom]


@pytest.fixture
def coco():
    """A valid json: an image of each kind of shape."""
    rle = rle_tools.encode(np.asfortranarray(EXPECTED // 2))
    runs = [3 * HEIGHT + 2, *[3, HEIGHT - 3] * 5, 3, 7 + 7 * HEIGHT]
    shapes = {
        'polygons': [square(3, 2, 9, 5)],
        'uncompressed': dict(size=[HEIGHT, WIDTH], counts=runs),
        'compressed': dict(size=[HEIGHT, WIDTH], counts=rle['counts'].decode()),
    }
    data = dict(images=[], categories=[*CATEGORIES], annotations=[])
    for i, (name, shape) in enumerate(shapes.items()):
        data['images'].append(dict(id=FIRST + i, file_name=f'{name}.jpg', height=HEIGHT, width=WIDTH))
        data['annotations'].append(dict(category_id=7, segmentation=shape, iscrowd=i, id=i + 1, image_id=FIRST + i))
    return data


def to_masks(data, tmp_path, *options, images=None, **saving):
    """Draw them; ``images`` are the pixels of all images, which are copied then."""
    path = tmp_path / 'coco.json'
    path.write_text(json.dumps(data))
    if images is not None:
        for image in data['images']:
            save(tmp_path / 'images' / image['file_name'], images, **saving)
        options = [*options, '--images', tmp_path / 'images']
    return main(['coco-to-masks', str(path), '--out', str(tmp_path / 'out'), *map(str, options)])


def test_all_kinds_of_shapes_are_drawn_and_the_smaller_lies_on_top(coco, tmp_path):
    small = dict(id=8, image_id=FIRST, category_id=3, segmentation=[square(4, 3, 6, 4)])
    # of two parts, one of them beyond the border
    large = dict(id=9, image_id=FIRST, category_id=3, segmentation=[square(0, 0, 2, 1), square(12, 10, 20, 15)])
    coco['annotations'] = [small, *coco['annotations'], large]
    assert to_masks(coco, tmp_path) == 0
    for name in ('uncompressed', 'compressed'):
        assert np.array_equal(load(tmp_path / f'out/masks/{name}.png'), EXPECTED)
    expected = EXPECTED.copy()
    expected[3:4, 4:6] = expected[0:1, 0:2] = expected[10:, 12:] = 1
    assert np.array_equal(load(tmp_path / 'out/masks/polygons.png'), expected)
    assert (tmp_path / 'out/classes.txt').read_text() == 'background\nsky\nrock\n'
    assert not (tmp_path / 'out/images').exists()
    (tmp_path / 'out/classes.txt').write_text('mine')
    assert to_masks(coco, tmp_path) == 2 and (tmp_path / 'out/classes.txt').read_text() == 'mine'
    assert to_masks(coco, tmp_path, '--overwrite') == 0


OUTLINE = 'is not outlined by polygons'
COVER = '1 annotations of which each has run lengths that do not cover'
TOO_LONG = rle_tools.encode(np.ones((99, 99), np.uint8, order='F'))['counts'].decode()
# the part that is changed and how, what is said, and how many masks there are; more is in faults/test_bad_files.py
UNSOUND = {
    'too many': ('categories', [dict(id=i, name=f'c{i}') for i in range(255)], 'has 255 categories, but a mask holds 254', 0),
    'no object': ('images', [5], '0 of its 1 images and 2 of its 2 .* 1 images without an id, .* [(]5[)]', 0),
    'no size': ('images', dict(height=...), '1 images without an id.*: polygons.jpg', 2),
    'folder': ('images', dict(file_name='.'), '1 images without', 2),
    'one mask': ('images', dict(file_name='compressed.png'), 'compressed.jpg to compressed_2.jpg', 3),
    'image twice': ('images', 'twice', '1 images whose id another one has', 3),
    'category twice': ('categories', 'twice', '1 categories whose id another', 3),
    'unknown image': ('annotations', dict(image_id=99), 'of an image that is not there: 1', 3),
    'unknown category': ('annotations', dict(category_id=99), 'of a category that is not', 3),
    'no shape': ('annotations', dict(segmentation=...), '1 annotations .* has no outline: 1', 3),
    'two points, nan': ('annotations', dict(segmentation=[[1, 1, 2, 2], [0, 0, float('nan'), 0, 5, 5]]), OUTLINE, 3),
    'a line': ('annotations', dict(segmentation=[[1, 1, 5, 1, 9, 1]]), '1 annotations .* covers no pixel: 1', 3),
    'far away': ('annotations', dict(segmentation=[square(0, 0, 1e9, 5)]), OUTLINE, 3),
    'rle size': ('runs', dict(size=[16, 12]), 'run lengths for an image of another size: 3', 3),
    'rle too short': ('runs', dict(counts='34'), COVER, 3),
    'rle too long': ('runs', dict(counts=TOO_LONG), COVER, 3),
    'rle cut': ('runs', dict(counts='`'), COVER, 3),
    'runs below 0': ('runs', dict(counts=[-3, 195]), COVER, 3),
}


def change(data, part, values) -> None:
    """Replace a part, repeat its first entry, or change that (or the compressed run lengths), without what is ... of it."""
    if isinstance(values, list):
        data[part] = values
    elif values == 'twice':
        data[part].append(dict(data[part][0]))
    else:
        entry = data['annotations'][2]['segmentation'] if part == 'runs' else data[part][0]
        changed = entry | values
        entry.clear()
        entry.update((key, value) for key, value in changed.items() if value is not ...)


@pytest.mark.parametrize('name', UNSOUND)
def test_what_is_not_sound_is_counted_and_the_rest_is_read(coco, tmp_path, capsys, name):
    part, values, words, masks = UNSOUND[name]
    change(coco, part, values)
    assert to_masks(coco, tmp_path) == (0 if masks else 2)
    assert re.search(f'(coco.json|Left out or changed: ).*{words}', capsys.readouterr().out if masks else complaint(capsys))
    assert len(list((tmp_path / 'out').rglob('*.*'))) == masks + bool(masks)


OTHER_FORMS = {
    'flat': ('annotations', dict(segmentation=square(3, 2, 9, 5))),
    'two points beside it': ('annotations', dict(segmentation=[square(3, 2, 9, 5), [1, 1, 2, 2]])),
    'id of text': ('images', dict(id=str(FIRST))),
    'up': ('images', dict(file_name='../../polygons.jpg')),
    'drive': ('images', dict(file_name='C:\\data\\polygons.jpg')),
    'backslash': ('images', dict(file_name='.\\polygons.jpg')),
    'name twice': ('categories', [*CATEGORIES, dict(id=8, name='rock')]),
    'background': ('categories', [*CATEGORIES, dict(id=0, name='background')]),
    'two entries': ('images', 'twice'),
}


@pytest.mark.parametrize('name', OTHER_FORMS)
def test_other_forms_of_the_same_annotations(coco, tmp_path, name):
    for image in coco['images']:
        save(tmp_path / 'images' / image['file_name'], BLACK)
    change(coco, *OTHER_FORMS[name])
    if name == 'two entries':
        coco['images'][-1]['id'] = 99
    assert to_masks(coco, tmp_path, '--images', tmp_path / 'images') == 0
    assert np.array_equal(load(tmp_path / 'out/masks/polygons.png'), EXPECTED)
    assert (tmp_path / 'out/classes.txt').read_text() == 'background\nsky\nrock\n'
    assert set([path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob('*.*')]) <= {'images', 'out', 'coco.json'}


def test_ids_of_text_are_no_numbers_with_underscores(coco, tmp_path):
    """Python takes both 1_11 and 11_1 for 111."""
    for image, annotation, name in zip(coco['images'], coco['annotations'], ('1_11', '11_1', '111'), strict=True):
        image['id'] = annotation['image_id'] = name
    assert to_masks(coco, tmp_path) == 0
    masks = [load(path) for path in (tmp_path / 'out/masks').iterdir()]
    assert len(masks) == 3 and all(np.array_equal(mask, EXPECTED) for mask in masks)


@pytest.mark.parametrize(('lying', 'tag'), [(True, 6), (False, 6), (False, 3)])
def test_a_turned_photograph_has_the_size_that_training_sees(coco, tmp_path, capsys, lying, tag):
    """Annotations of the unturned one get a remedy; where sizes do not prove which it is, that is said."""
    code = to_masks(coco, tmp_path, images=np.ascontiguousarray(BLACK.T if lying else BLACK), exif=with_turn(tag))
    if lying or tag == 3:
        assert code == 0 and ('3 images that their EXIF tag turns, while' in capsys.readouterr().out) == (tag == 3)
    else:
        assert code == 2 and 'before its EXIF tag turns it: remove the tag' in complaint(capsys)


@pytest.fixture
def pairs(tmp_path):
    """Pairs in a sub-folder and beside it; noise, so that components touch at edges and corners."""
    rng = np.random.default_rng(0)
    for name in ('0001.png', '0002.jpg', 'val/0001.jpeg', 'val/empty.png'):
        save(tmp_path / 'src/images' / name, rng.integers(0, 255, (40, 30, 3), dtype=np.uint8))
        mask = np.where(rng.random((40, 30)) < 0.1, 3, np.kron(rng.integers(0, 4, (20, 15)), np.ones((2, 2)))).astype(np.uint8)
        path = (tmp_path / 'src/masks' / name).with_suffix('.png')
        save(path, mask * (path.stem != 'empty'))
    (tmp_path / 'src/classes.txt').write_text('\n'.join(NAMES) + '\n')
    return tmp_path / 'src'


def to_coco(src, out, *options):
    return main(['masks-to-coco', str(src / 'images'), str(src / 'masks'), '--out', str(out), *options])


def test_there_and_back_is_identical(pairs, tmp_path):
    json_file, out = tmp_path / 'coco.json', tmp_path / 'out'
    assert to_coco(pairs, json_file) == 0
    assert main(['coco-to-masks', str(json_file), '--images', str(pairs / 'images'), '--out', str(out)]) == 0
    before, after = contents(pairs), contents(out)
    assert before.keys() == after.keys()
    for path in before:
        # packed by another library
        assert before[path] == after[path] or np.array_equal(load(pairs / path), load(out / path)), path
    json_file.write_text('mine')
    assert to_coco(pairs, json_file) == 2 and json_file.read_text() == 'mine'


def test_annotations_are_components(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[0:2, 0:3] = 1
    mask[2, 3] = 1  # touches at a corner
    mask[4:6, 6:8] = 1
    mask[4, 5] = 2  # touches another class
    save(tmp_path / 'images/a.png', mask)
    save(tmp_path / 'masks/a.png', mask)
    assert to_coco(tmp_path, tmp_path / 'a.json', '--classes', 'ground', 'small', 'large', 'unseen') == 0
    read = COCO(tmp_path / 'a.json')
    assert [c['name'] for c in read.loadCats(read.getCatIds())] == ['small', 'large', 'unseen']
    found = [(a['category_id'], a['area'], a['bbox']) for a in read.anns.values()]
    assert found == [(1, 7, [0, 0, 4, 3]), (1, 4, [6, 4, 2, 2]), (2, 1, [5, 4, 1, 1])]
    assert np.array_equal(read.annToMask(read.anns[1]), (mask == 1) * (np.arange(8) < 4))


NOTHING = np.zeros((40, 30), np.uint8)
BAD = {
    'index': (lambda src: save(src / 'masks/0001.png', NOTHING + 255), "0001.png holds index 255, .* is 3, 'large rock'"),
    'size': (lambda src: save(src / 'masks/0001.png', NOTHING.T), 'masks/0001.png is 40x30 pixels, .*/0001.png is 30x40'),
    'no mask': (lambda src: (src / 'masks/val/0001.png').unlink(), r'1 images have no mask in .* \(val/0001\)'),
    'no image': (lambda src: (src / 'images/val/0001.jpeg').unlink(), r'1 masks have no image in .* \(val/0001\)'),
    'one mask': (lambda src: save(src / 'images/0001.jpg', NOTHING), '0001.jpg and .*0001.png would share a mask'),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_bad_masks_are_refused(pairs, tmp_path, capsys, name):
    damage, sentence = BAD[name]
    damage(pairs)
    assert to_coco(pairs, tmp_path / 'coco.json') == 2 and re.search(sentence, complaint(capsys))
    assert not (tmp_path / 'coco.json').exists()

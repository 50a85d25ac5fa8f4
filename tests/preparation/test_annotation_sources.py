"""Annotations of labelme and CVAT become masks that a config trains on."""

import base64
import json

import cv2
import numpy as np
import pytest
from pictures import encoded, load, save

from custom_modules.datasets.mask_datasets import IndexedMaskDataset
from custom_modules.preparation.coco_file import CocoFile
from custom_modules.utils.errors import UsageError
from tools.prepare_data import main

WIDTH, HEIGHT = 48, 32
EMPTY = np.zeros((HEIGHT, WIDTH), np.uint8)
EXPECTED = EMPTY.copy()
EXPECTED[4:10, 6:20] = 1
EXPECTED[20:24, 30:40] = 2
RUNS = '1, 10, ' + ', '.join(['2, 10'] * 3) + ', 1'


def of_labelme(*shapes) -> str:
    content = dict(imagePath='..\\photos\\a.jpg', imageWidth=WIDTH, imageHeight=HEIGHT)
    return json.dumps(dict(content, shapes=[dict(dict(label='rock'), **shape) for shape in shapes]))


def of_cvat(*shapes: str) -> str:
    labels = '<label><name>rock</name></label><label><name>sky</name></label>'
    image = f'<image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">{"".join(shapes)}</image>'
    return f'<annotations><meta><task><labels>{labels}</labels></task></meta>{image}</annotations>'


def write(content: str, folder):
    """A file of CVAT, or a folder with one of labelme."""
    path = folder / ('a.json' if content.startswith('{') else 'a.xml')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path if path.suffix == '.xml' else folder


@pytest.mark.parametrize(
    'content',
    [
        of_labelme(
            dict(shape_type='rectangle', points=[[20, 10], [6, 4]]),
            dict(label='sky', points=[[30, 20], [40, 20], [40, 24], [30, 24]], shape_type='polygon'),
            dict(label='sky', points=[[1, 1], [5, 5]], shape_type='line'),
        ),
        of_cvat(
            '<box label="sky" xtl="8" ytl="5" xbr="9" ybr="8"/><box label="rock" xtl="6.0" ytl="4" xbr="20" ybr="10" z_order="1"/>',
            f'<mask label="sky" left="29" top="20" width="12" height="4" rle="{RUNS}"/>',
            '<polyline label="sky" points="1,1;5,5"/>',
        ),
    ],
    ids=['labelme', 'CVAT'],
)
def test_from_annotations_to_a_data_set(content, tmp_path, capsys):
    source, out = write(content, tmp_path / 'source'), tmp_path / 'out'
    save(tmp_path / 'photos' / 'a.jpg', EMPTY)
    assert main(['coco-to-masks', str(source), '--images', str(tmp_path / 'photos'), '--out', str(out)]) == 0
    said = capsys.readouterr().out
    assert '1 annotations of which each has no outline: ' in said and 'line sky of ' in said
    assert np.array_equal(load(out / 'masks' / 'a.png'), EXPECTED)
    names = (out / 'classes.txt').read_text().split()
    assert names == ['background', 'rock', 'sky']
    assert len(IndexedMaskDataset(str(out), names, split='all')) == 1


PIXELS = base64.b64encode(encoded(np.eye(6, 9, dtype=np.uint8))).decode()
EYE = EMPTY.copy()
EYE[5:11, 7:16] = np.eye(6, 9)
# of each the file, what is drawn, and how many pixels of its border may be otherwise
SHAPES = {
    'a circle of labelme': (
        of_labelme(dict(shape_type='circle', points=[[20, 16], [20, 26]])), cv2.circle(EMPTY.copy(), (20, 16), 10, 1, -1), 60),
    'a mask of labelme': (of_labelme(dict(shape_type='mask', points=[[7, 5], [15, 10]], mask=PIXELS)), EYE, 0),
    'a turned box of CVAT': (
        of_cvat('<box label="rock" xtl="10" ytl="13" xbr="30" ybr="19" rotation="90.0"/>'),
        cv2.rectangle(EMPTY.copy(), (17, 6), (23, 26), 1, -1), 50),
    'a turned ellipse of CVAT': (
        of_cvat('<ellipse label="rock" cx="20" cy="16" rx="12" ry="6" rotation="30"/>'),
        cv2.ellipse(EMPTY.copy(), (20, 16), (12, 6), 30, 0, 360, 1, -1), 50),
    'nothing of an a.jpg in another part of a CVAT project': (of_cvat(f'</image><image name="a.jpg" subset="B" width="{WIDTH}" '
        f'height="{HEIGHT}"><box label="sky" xtl="1" ytl="1" xbr="9" ybr="9"/>'), EMPTY, 0),
}  # fmt: skip


@pytest.mark.parametrize('name', SHAPES)
def test_other_shapes_are_drawn(name, tmp_path):
    content, expected, border = SHAPES[name]
    coco = CocoFile(write(content, tmp_path))
    mask = coco.draw(coco.images[0])
    assert (mask != expected).sum() <= border and mask.sum() >= border


def test_sub_folders_have_their_own_pictures_and_hidden_ones_none(tmp_path):
    for folder in ('b', 'a', '.old'):
        write(of_labelme(dict(points=[[20, 10], [6, 4], [9, 9]])), tmp_path / folder / 'ann')
    assert [image['file_name'] for image in CocoFile(tmp_path).images] == ['a/photos/a.jpg', 'b/photos/a.jpg']


NO_OUTLINE = 'has no outline .* rock of .*a.jpg'


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('<annotations>', 'it is no XML'),
        ('{"shapes": ', 'a.json is no JSON'),
        ('<!DOCTYPE a><annotations/>', 'declares a document type'),
        ('<annotations><track id="0"/></annotations>', 'is of a video'),
        (of_labelme(dict(shape_type='mask', points=[[7, 5], [15, 10]], mask='no picture')), NO_OUTLINE),
        (of_labelme(dict(shape_type='mask', points=[[45, 5], [53, 10]], mask=PIXELS)), NO_OUTLINE),
        (of_cvat('<ellipse label="rock" cx="20" cy="16" rx="12"/>'), NO_OUTLINE),
        (of_cvat('<polygon label="rock"/>'), NO_OUTLINE),
        (of_cvat('<mask label="rock" left="0" top="0" width="2" height="2"/>'), NO_OUTLINE),
    ],
)
def test_files_that_are_none_of_theirs_or_damaged(tmp_path, content, words):
    with pytest.raises(UsageError, match=words):
        CocoFile(write(content, tmp_path))

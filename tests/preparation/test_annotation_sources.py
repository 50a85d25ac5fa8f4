"""Annotations of labelme and CVAT become masks that a config trains on."""

import base64
import json

import cv2
import numpy as np
import pytest
from pictures import encoded
from PIL import Image

from custom_modules.datasets.mask_datasets import IndexedMaskDataset
from custom_modules.preparation.coco_file import CocoFile
from custom_modules.utils.errors import UsageError
from tools.prepare_data import main

WIDTH, HEIGHT = 48, 32
EXPECTED = np.zeros((HEIGHT, WIDTH), np.uint8)
EXPECTED[4:10, 6:20] = 1
EXPECTED[20:24, 30:40] = 2


@pytest.fixture
def images(tmp_path):
    (tmp_path / 'photos').mkdir()
    for name in ('a.jpg', 'b.jpg'):
        Image.new('RGB', (WIDTH, HEIGHT)).save(tmp_path / 'photos' / name)
    return tmp_path / 'photos'


def labelme(folder):
    folder.mkdir()
    for name in 'ab':
        shapes = [
            dict(label='rock', shape_type='rectangle', points=[[20, 10], [6, 4]]),
            dict(label='sky', points=[[30, 20], [40, 20], [40, 24], [30, 24]], shape_type='polygon'),
            dict(label='sky', points=[[1, 1], [5, 5]], shape_type='line'),
        ]  # fmt: skip
        content = dict(imagePath=f'..\\photos\\{name}.jpg', imageWidth=WIDTH, imageHeight=HEIGHT)
        (folder / f'{name}.json').write_text(json.dumps(dict(content, shapes=shapes)))
    (folder / 'settings.json').write_text('{}')
    return folder


def cvat(folder):
    folder.mkdir()
    runs = '1, 10, ' + ', '.join(['2, 10'] * 3) + ', 1'
    shapes = f"""
    <box label="rock" xtl="6.0" ytl="4" xbr="20" ybr="10"/>
    <mask label="sky" left="29" top="20" width="12" height="4" rle="{runs}"/>
    <polyline label="sky" points="1,1;5,5"/>
    """
    sides = f'width="{WIDTH}" height="{HEIGHT}"'
    pictures = ''.join(f'<image id="{i}" name="{n}.jpg" {sides}>{shapes}</image>' for i, n in enumerate('ab'))
    labels = '<label><name>rock</name></label><label><name>sky</name></label>'
    path = folder / 'annotations.xml'
    path.write_text(f'<annotations><meta><task><labels>{labels}</labels></task></meta>{pictures}</annotations>')  # fmt: skip
    return path


@pytest.mark.parametrize('make', [labelme, cvat])
def test_from_annotations_to_a_data_set(make, images, tmp_path, capsys):
    source = make(tmp_path / 'source')
    out = tmp_path / 'out'
    arguments = ['coco-to-masks', str(source), '--images', str(images), '--out', str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert '2 annotations of which each has no outline: ' in said
    assert 'line sky of ' in said and 'a.jpg' in said and 'b.jpg' in said
    for name in 'ab':
        assert np.array_equal(np.asarray(Image.open(out / 'masks' / f'{name}.png')), EXPECTED)
    names = (out / 'classes.txt').read_text().split()
    assert names == ['background', 'rock', 'sky']
    assert len(IndexedMaskDataset(str(out), names, split='all')) == 2


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('<annotations>', 'it is no XML'),
        ('<!DOCTYPE a><annotations/>', 'declares a document type'),
        ('<annotations/>', '0 of its 0 images'),
        ('<annotations><track id="0"/></annotations>', 'is of a video'),
        ('<annotations><image name="a"/></annotations>', '1 images without an id'),
        ('{"shapes": ', 'a.json is no JSON'),
    ],
)
def test_files_that_are_none_of_theirs(tmp_path, content, words):
    with pytest.raises(UsageError, match=words):
        read(content, tmp_path)


def of_labelme(**shape) -> str:
    content = dict(imagePath='a.jpg', imageWidth=WIDTH, imageHeight=HEIGHT)
    return json.dumps(dict(content, shapes=[dict(label='rock', **shape)]))


def of_cvat(tag: str, **shape) -> str:
    sides = ' '.join(f'{key}="{value}"' for key, value in shape.items())
    image = f'<image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">'
    return f'<annotations>{image}<{tag} label="rock" {sides}/></image></annotations>'


def read(content: str, folder) -> CocoFile:
    """Read a file of CVAT, or a folder with one of labelme."""
    path = folder / ('a.json' if content.startswith('{') else 'a.xml')
    path.write_text(content)
    return CocoFile(path if path.suffix == '.xml' else folder)


def drawn(shape) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.fillPoly(mask, [np.array(shape, np.int32)], 1)


ROUND = cv2.ellipse(np.zeros((HEIGHT, WIDTH), np.uint8), (20, 16), (12, 6), 30, 0, 360, 1, -1)
PIXELS = base64.b64encode(encoded(np.eye(6, 9, dtype=np.uint8))).decode()
EYE = np.zeros((HEIGHT, WIDTH), np.uint8)
EYE[5:11, 7:16] = np.eye(6, 9)
# of each the file, what is drawn, and how many pixels of its border may be otherwise
SHAPES = {
    'a circle of labelme': (
        of_labelme(shape_type='circle', points=[[20, 16], [20, 26]]),
        cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (20, 16), 10, 1, -1), 60),
    'a mask of labelme': (
        of_labelme(shape_type='mask', points=[[7, 5], [15, 10]], mask=PIXELS), EYE, 0),
    'a rectangle of four points': (
        of_labelme(shape_type='rectangle', points=[[6, 4], [20, 4], [20, 10], [6, 10]]),
        EXPECTED == 1, 0),
    'a turned rectangle of four points': (
        of_labelme(shape_type='rotation', points=[[20, 6], [30, 16], [20, 26], [10, 16]]),
        drawn([[20, 6], [30, 16], [20, 26], [10, 16]]), 45),
    'a turned box of CVAT': (
        of_cvat('box', xtl=10, ytl=13, xbr=30, ybr=19, rotation=90.0),
        drawn([[17, 6], [23, 6], [23, 26], [17, 26]]), 50),
    'a turned ellipse of CVAT': (
        of_cvat('ellipse', cx=20, cy=16, rx=12, ry=6, rotation=30), ROUND, 50),
}  # fmt: skip


@pytest.mark.parametrize('name', SHAPES)
def test_other_shapes_are_drawn(name, tmp_path):
    content, expected, border = SHAPES[name]
    coco = read(content, tmp_path)
    mask = coco.draw(coco.images[0])
    assert (mask != expected).sum() <= border and mask.sum() >= border


@pytest.mark.parametrize(
    'shape',
    [
        of_labelme(shape_type='mask', points=[[7, 5], [15, 10]], mask='no picture'),
        of_labelme(shape_type='mask', points=[[45, 5], [53, 10]], mask=PIXELS),
        of_labelme(shape_type='mask', points=[[7, 5], [15, 10]]),
        of_cvat('box', xtl=10, ytl=13, xbr=30, ybr=19, rotation='much'),
        of_cvat('ellipse', cx=20, cy=16, rx=12),
    ],
)
def test_damaged_shapes_are_counted(shape, tmp_path):
    with pytest.raises(UsageError, match='has no outline .* rock of a.jpg'):
        read(shape, tmp_path)

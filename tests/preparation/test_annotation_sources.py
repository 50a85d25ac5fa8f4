"""Annotations of labelme and CVAT become masks that a config trains on."""

import json

import numpy as np
import pytest
from PIL import Image

from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset
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
    pictures = ''.join(
        f'<image id="{i}" name="{n}.jpg" {sides}>{shapes}</image>' for i, n in enumerate('ab')
    )
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
    assert 'Left out or changed: 2 annotations of which each has no outline: 3, 6' in said
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
        ('<annotations><image name="a"/></annotations>', '1 images without an id'),
        ('{"shapes": ', 'a.json is no JSON'),
    ],
)
def test_files_that_are_none_of_theirs(tmp_path, content, words):
    path = tmp_path / ('a.json' if content.startswith('{') else 'a.xml')
    path.write_text(content)
    with pytest.raises(UsageError, match=words):
        CocoFile(tmp_path if path.suffix == '.json' else path)


def test_a_circle_of_labelme(tmp_path):
    shape = dict(label='rock', shape_type='circle', points=[[20, 16], [20, 26]])
    content = dict(imagePath='a.jpg', imageWidth=WIDTH, imageHeight=HEIGHT, shapes=[shape])
    (tmp_path / 'a.json').write_text(json.dumps(content))
    coco = CocoFile(tmp_path)
    assert abs(int(coco.draw(coco.images[0]).sum()) - np.pi * 100) < 15

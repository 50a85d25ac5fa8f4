"""Files as other people's programs write them: read alike by check, EDA, training, prediction and pictures."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from conftest import make_tiny_imagenet, write_config
from mmengine.registry import init_default_scope
from pictures import encoded, of_opencv, of_palette, with_turn
from PIL import Image
from test_bad_files import TINY
from test_damaged_files import detector

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.tiny_imagenet import TinyImageNet
from custom_modules.eda.examine import examine_pair
from custom_modules.eda.report import survey
from custom_modules.eda.sources import config_subject
from custom_modules.evaluation.objects import score_mask_files
from custom_modules.preparation.coco_file import CocoFile
from custom_modules.utils.images import find_pictures
from custom_modules.visualization.drawing import scaled_image
from tools.prepare_data import main as prepare

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
GREY = np.random.default_rng(0).integers(0, 250, (40, 64), dtype=np.uint8)
GREY[0, 0] = 255
ROCKS = np.zeros((40, 64), np.uint8)
ROCKS[5:12, 20:50] = 1
BLACK, WHITE = [0] * 3, [255] * 3
PNG, MASK = encoded(GREY), encoded(ROCKS * 255)


def turned(pixels) -> bytes:
    """As a camera that lies on its side stores it, with a tag."""
    return encoded(np.ascontiguousarray(np.rot90(pixels)), exif=with_turn(6))


def grey_as(mode: str) -> bytes:
    return encoded(Image.fromarray(ROCKS * 255).convert(mode))


# image and mask; what they show is always the same
PAIRS = {
    'a palette in which index 0 is white, and rock': (PNG, of_palette(1 - ROCKS, [WHITE, BLACK])),
    '12 bits in 16': (of_opencv(GREY.astype(np.uint16) * 16, '.png'), MASK),
    '16 bits': (of_opencv(GREY.astype(np.uint16) * 257, '.png'), MASK),
    'a TIFF of floats': (of_opencv((GREY / 255).astype(np.float32)), of_opencv(ROCKS.astype(np.float32))),
    'a TIFF of 32 bits': (of_opencv(GREY.astype(np.int32) * 16), of_opencv(ROCKS.astype(np.int32) * 255)),
    'a turned image': (turned(GREY), MASK),
    'a turned mask': (PNG, turned(ROCKS * 255)),
    'both turned': (turned(GREY), turned(ROCKS * 255)),
    **{f'a mask saved as {mode}': (PNG, grey_as(mode)) for mode in ('RGB', 'RGBA', 'LA')},
}


@pytest.mark.parametrize('name', PAIRS)
def test_all_see_what_the_files_show(name, tmp_path):
    init_default_scope('mmseg')
    files = [tmp_path / 'images' / folder / f'{folder}1.png' for folder in ('render', 'ground')]
    for path, content in zip(files, PAIRS[name], strict=True):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    image, mask = files
    expected = np.stack([GREY] * 3, axis=2)
    # it checks every file
    dataset = MoonDataset(str(tmp_path), 'all', pipeline=LOAD)
    packed = dataset[0]
    np.testing.assert_array_equal(packed['inputs'].numpy().transpose(1, 2, 0), expected)
    np.testing.assert_array_equal(packed['data_samples'].gt_sem_seg.data[0], ROCKS)
    facts = examine_pair(image, mask, dataset.masks, dataset.metainfo['palette'], [(32, 32)], False)
    assert facts.sound and facts.defects == [] and facts.counts.tolist() == np.bincount(ROCKS.ravel()).tolist()
    np.testing.assert_array_equal(facts.histogram[0], np.bincount(GREY.ravel(), minlength=256))
    for picture in (detector().prepare(image).image, scaled_image(str(image), 64)):
        np.testing.assert_array_equal(picture, expected)
    # a true mask that predictions are scored against
    (tmp_path / 'found').mkdir()
    (tmp_path / 'found' / 'ground1.png').write_bytes(MASK)
    (scores,) = score_mask_files(tmp_path / 'found', mask.parent, ('background', 'rock'))
    assert scores['Dice'] == 100


def test_endings_of_every_kind_in_one_folder_and_a_list_of_blanks(tmp_path):
    """Mixed endings, and names with blanks in a list as Windows writes it."""
    files = dict(
        zip(('a 1.jpg', 'b 2.png', 'c.JPG', 'd 4.TIF', 'e.jpeg'), ('JPEG', 'PNG', 'JPEG', 'TIFF', 'JPEG'), strict=True)
    )
    for path, form in files.items():
        for folder, pixels, name in (('images', GREY, path), ('masks', ROCKS, path.rsplit('.')[0] + '.PNG')):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(encoded(pixels, form if folder == 'images' else 'PNG'))
    (tmp_path / 'list.txt').write_bytes('a 1\r\nb 2\r\nd 4\r\n'.encode('utf-16'))
    (tmp_path / 'pictures.txt').write_bytes('images/a 1.jpg\r\nimages/c.JPG\r\n'.encode('utf-8-sig'))
    own = dict(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_prefix='',
        mask_prefix='',
    )
    assert len(MoonDataset(split='all', **own)) == 5
    assert len(MoonDataset(split='all', ann_file='list.txt', **own)) == 3
    assert len(find_pictures([str(tmp_path / 'images')])) == 5
    assert [source.path.name for source in find_pictures([str(tmp_path / 'pictures.txt')])] == ['a 1.jpg', 'c.JPG']
    for more, count in (({}, 5), (dict(ann_file='list.txt'), 3)):
        part = dict(own, type='MoonDataset', split='all', **more)
        text = f'train_dataloader = dict(dataset={part})\n'
        summary, _ = survey(config_subject(str(write_config(tmp_path / 'mine.py', '_base_/seg_runtime', text))))
        assert summary['errors'] == [] and summary['parts']['train']['sound_pairs'] == count


def of_a_mac(root):
    for path in list(root.rglob('*')):
        (path / '.DS_Store' if path.is_dir() else path.with_name(f'._{path.name}')).write_bytes(b'\0\5\x16\7')


def sorted_by_class(root, below=''):
    for row in (root / 'val/val_annotations.txt').read_text().splitlines():
        name, wnid = row.split('\t')[:2]
        folder = root / 'val' / wnid / below
        folder.mkdir(parents=True, exist_ok=True)
        (root / 'val/images' / name).rename(folder / name)
    shutil.rmtree(root / 'val/images')
    (root / 'val/val_annotations.txt').unlink()


def blanks_for_tabs(root):
    (root / 'words.txt').write_text((root / 'words.txt').read_text().replace('\t', '    '))


def twice_in_itself(root):
    root.rename(root.with_name('inner'))
    root.mkdir()
    root.with_name('inner').rename(root / root.name)


LAYOUTS = {
    'as it is': lambda root: None,
    'files of a Mac': of_a_mac,
    'validation sorted by class': sorted_by_class,
    'validation sorted as the training': lambda root: sorted_by_class(root, 'images'),
    'words with blanks': blanks_for_tabs,
    'no words': lambda root: (root / 'words.txt').unlink(),
    'a folder in itself': twice_in_itself,
}


@pytest.mark.parametrize('name', LAYOUTS)
def test_tiny_imagenet_as_others_unpack_it(name, tmp_path):
    root = make_tiny_imagenet(tmp_path / 'tiny-imagenet-200', TINY)
    LAYOUTS[name](root)
    train, val = (TinyImageNet(str(root), split) for split in ('train', 'val'))
    names = tuple(TINY) if name == 'no words' else ('red', 'green', TINY[2])
    infos = [train.get_data_info(i) for i in range(18)]
    found = {(info['img_path'].split('/')[-3], info['gt_label']) for info in infos}
    assert len(train) == 18 and found == {(wnid, label) for label, wnid in enumerate(TINY)}
    # chosen classes keep their order
    chosen = TinyImageNet(str(root), 'val', wnids=[TINY[2], TINY[0]])
    for data, labels in ((val, [0, 0, 1, 1, 2, 2]), (chosen, [1, 1, None, None, 0, 0])):
        infos = [data.get_data_info(i) for i in range(len(data))]
        found = {info['img_path'].split('/')[-1]: info['gt_label'] for info in infos}
        assert found == {f'val_{i}.JPEG': label for i, label in enumerate(labels) if label is not None}
    assert train.metainfo['classes'] == names and chosen.metainfo['classes'] == (names[2], names[0])


@pytest.mark.parametrize('top', ['', 'tiny-imagenet-200/tiny-imagenet-200/', 'tiny/'])
def test_an_archive_with_other_folders_around_it(top, tmp_path):
    root = make_tiny_imagenet(tmp_path / 'tiny', TINY)
    of_a_mac(root)
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        for path in root.rglob('*'):
            archive.write(path, top + path.relative_to(root).as_posix())
    assert prepare(['tiny-imagenet', str(tmp_path / 'a.zip'), '--out', str(tmp_path / 'out')]) == 0
    assert len(TinyImageNet(str(tmp_path / 'out' / 'tiny-imagenet-200'))) == 18


def test_what_roboflow_exports(tmp_path):
    """Its parent class has no shapes, names end in a hash, one shape may be a box in one part."""
    box = [4.5, 3, 20.25, 3, 20.25, 9, 4.5, 9]
    content = dict(
        info=dict(year='2023', version='7', url='https://public.roboflow.com/object-detection/undefined'),
        licenses=[dict(id=1, url='https://creativecommons.org/licenses/by/4.0/', name='CC BY 4.0')],
        categories=[dict(id=0, name='objects', supercategory='none'), dict(id=1, name='rock', supercategory='objects')],
        images=[dict(id=0, license=1, file_name='a_png.rf.0f3c.jpg', height=40, width=64, date_captured='2023-06-20T09:47:20+00:00')],
        annotations=[
            dict(id=0, image_id=0, category_id=1, bbox=[4.5, 3, 15.75, 6], area=94.5, segmentation=[box], iscrowd=0),
            dict(id=1, image_id=0, category_id=1, bbox=[30, 30, 5, 5], area=25, segmentation=[], iscrowd=0),
        ],
    )  # fmt: skip
    (tmp_path / '_annotations.coco.json').write_text(json.dumps(content))
    coco = CocoFile(tmp_path / '_annotations.coco.json')
    assert coco.names == ['background', 'objects', 'rock']
    assert dict(coco.left_out) == {'annotations of which each has no outline': ['1']}
    mask = coco.draw(coco.images[0])
    assert set(np.unique(mask[4:8, 6:19])) == {2} and 80 < (mask == 2).sum() < 110

"""Files as other people's programs write them: read alike by check, EDA, training, prediction and pictures."""

import shutil

import numpy as np
import pytest
from conftest import WNIDS, make_tiny_imagenet, write_config
from pictures import encoded, of_opencv, of_palette, with_turn
from PIL import Image, PngImagePlugin
from test_damaged_files import detector

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.tiny_imagenet import TinyImageNet
from custom_modules.eda.examine import examine_pair
from custom_modules.eda.report import survey
from custom_modules.eda.sources import config_subject
from custom_modules.evaluation.objects import score_mask_files
from custom_modules.utils.images import find_pictures
from custom_modules.visualization.drawing import scaled_image

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
GREY = np.random.default_rng(0).integers(0, 250, (40, 64), dtype=np.uint8)
GREY[0, 0] = 255
ROCKS = np.zeros((40, 64), np.uint8)
ROCKS[5:12, 20:50] = 1
BLACK, WHITE = [0] * 3, [255] * 3
PNG, MASK = encoded(GREY), encoded(ROCKS * 255)
IMAGEMAGICK = f'\nexif\n40\n{with_turn(6).tobytes().hex()}\n'


def turned(pixels, key='', text='') -> bytes:
    """As a camera that lies on its side stores it, with a tag, or a text in its place."""
    info = PngImagePlugin.PngInfo()
    info.add_text(key or 'Comment', text)
    return encoded(np.ascontiguousarray(np.rot90(pixels)), pnginfo=info, exif=None if key else with_turn(6))


# image and mask; what they show is always the same
PAIRS = {
    'a palette in which index 0 is white, and rock': (PNG, of_palette(1 - ROCKS, [WHITE, BLACK])),
    '12 bits in 16': (of_opencv(GREY.astype(np.uint16) * 16, '.png'), MASK),
    'a TIFF of floats': (of_opencv((GREY / 255).astype(np.float32)), of_opencv(ROCKS.astype(np.float32))),
    'a turned image': (turned(GREY), MASK),
    'a turned mask': (PNG, turned(ROCKS * 255)),
    'a mask turned in XMP': (PNG, turned(ROCKS * 255, 'XML:com.adobe.xmp', 'tiff:Orientation="6"')),
    'a mask turned by ImageMagick': (PNG, turned(ROCKS * 255, 'Raw profile type exif', IMAGEMAGICK)),
    'a mask saved as RGBA': (PNG, encoded(Image.fromarray(ROCKS * 255).convert('RGBA'))),
}


@pytest.mark.parametrize('name', PAIRS)
def test_all_see_what_the_files_show(name, segmentation, tmp_path):
    files = [tmp_path / 'images' / folder / f'{folder}1.png' for folder in ('render', 'ground')]
    for path, content in zip(files, PAIRS[name], strict=True):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    image, mask = files
    expected = np.stack([GREY] * 3, axis=2)
    # it checks every file
    dataset = MoonDataset(str(tmp_path), 'all', pipeline=LOAD, serialize_data=False)
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
    files = {'a 1.jpg': 'JPEG', 'b 2.png': 'PNG', 'c.JPG': 'JPEG', 'd 4.TIF': 'TIFF', 'e.jpeg': 'JPEG'}
    for path, form in files.items():
        for folder, pixels, name in (('images', GREY, path), ('masks', ROCKS, path.rsplit('.')[0] + '.PNG')):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(encoded(pixels, form if folder == 'images' else 'PNG'))
    (tmp_path / 'list.txt').write_bytes('a 1\r\nb 2\r\nd 4\r\n'.encode('utf-16'))
    (tmp_path / 'pictures.txt').write_bytes('images/a 1.jpg\r\nimages/c.JPG\r\n'.encode('utf-8-sig'))
    own = dict(data_root=str(tmp_path), data_prefix=dict(img_path='images', seg_map_path='masks'), img_prefix='', mask_prefix='')
    assert len(MoonDataset(split='all', **own)) == 5
    assert len(MoonDataset(split='all', ann_file='list.txt', **own)) == 3
    assert len(find_pictures([str(tmp_path / 'images')])) == 5
    assert [source.path.name for source in find_pictures([str(tmp_path / 'pictures.txt')])] == ['a 1.jpg', 'c.JPG']
    for more, count in (({}, 5), (dict(ann_file='list.txt'), 3)):
        text = f'train_dataloader = dict(dataset={dict(own, type="MoonDataset", split="all", **more)})\n'
        summary, _ = survey(config_subject(str(write_config(tmp_path / 'mine.py', '_base_/seg_runtime', text))))
        assert summary['errors'] == [] and summary['parts']['train']['sound_pairs'] == count


def of_a_mac(root):
    for path in list(root.rglob('*')):
        (path / '.DS_Store' if path.is_dir() else path.with_name(f'._{path.name}')).write_bytes(b'\0\5\x16\7')


def sorted_by_class(root):
    for row in (root / 'val/val_annotations.txt').read_text().splitlines():
        name, wnid = row.split('\t')[:2]
        folder = root / 'val' / wnid
        folder.mkdir(exist_ok=True)
        (root / 'val/images' / name).rename(folder / name)
    shutil.rmtree(root / 'val/images')
    (root / 'val/val_annotations.txt').unlink()


def blanks_for_tabs(root):
    (root / 'words.txt').write_text((root / 'words.txt').read_text().replace('\t', '    '))


@pytest.mark.parametrize('change', [lambda root: None, of_a_mac, sorted_by_class, blanks_for_tabs])
def test_tiny_imagenet_as_others_unpack_it(change, tmp_path):
    root = make_tiny_imagenet(tmp_path / 'tiny-imagenet-200', WNIDS)
    change(root)
    train, val = (TinyImageNet(str(root), split) for split in ('train', 'val'))
    names = ('red', 'green', WNIDS[2])
    infos = [train.get_data_info(i) for i in range(18)]
    found = {(info['img_path'].split('/')[-3], info['gt_label']) for info in infos}
    assert len(train) == 18 and found == {(wnid, label) for label, wnid in enumerate(WNIDS)}
    # chosen classes keep their order
    chosen = TinyImageNet(str(root), 'val', wnids=[WNIDS[2], WNIDS[0]])
    for data, labels in ((val, [0, 0, 1, 1, 2, 2]), (chosen, [1, 1, None, None, 0, 0])):
        infos = [data.get_data_info(i) for i in range(len(data))]
        found = {info['img_path'].split('/')[-1]: info['gt_label'] for info in infos}
        assert found == {f'val_{i}.JPEG': label for i, label in enumerate(labels) if label is not None}
    assert train.metainfo['classes'] == names and chosen.metainfo['classes'] == (names[2], names[0])

"""Files of every bad kind: one sentence, never a traceback."""

import io
import json

import cv2
import numpy as np
import pytest
import torch
from conftest import WNIDS, make_moon, make_tiny_imagenet
from pictures import encoded, of_opencv, of_palette
from PIL import Image

from custom_modules.datasets.mask_datasets import IndexedMaskDataset, MoonDataset
from custom_modules.deploy.predict import Results
from custom_modules.models.safe_loading import load_checkpoint_file
from custom_modules.preparation.coco_file import CocoFile
from custom_modules.reporting.runs import read_scalars
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_image, read_mask

RNG = np.random.default_rng(0)
SCENE = cv2.GaussianBlur(RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8), (5, 5), 1)
MASK = np.zeros((32, 48), np.uint8)
MASK[4:12, 8:30] = 255
GREY = np.full((64, 64), 128, np.uint8)
ROCKS = np.eye(64, dtype=np.uint8)


def tiff(value, kind, shape=(8, 8)) -> bytes:
    return of_opencv(np.full(shape, value, kind))


def palette(colours) -> bytes:
    return of_palette(np.arange(64, dtype=np.uint8).reshape(8, 8) % 3, colours)


PNG, JPEG = encoded(SCENE), encoded(SCENE, 'JPEG')
CLEAR = np.zeros((8, 8, 4), np.uint8)
CLEAR[:4, :4, 3] = 255
# what OpenCV writes, and in the place of its entry one of channels that lie one after another, or of white as zero
PLANES = tiff(300, np.uint16, (8, 8, 3)).replace(b'\x1c\1\3\0\1\0\0\0\1', b'\x1c\1\3\0\1\0\0\0\2')
WHITE_IS_ZERO = tiff(300, np.uint16).replace(b'\6\1\3\0\1\0\0\0\1', b'\6\1\3\0\1\0\0\0\0')
IMAGES = {
    'an empty image': (b'', 'it is empty'),
    'a page in place of an image': (b'<html>404</html>', 'it is no image'),
    'a PNG that is cut in its pixels': (PNG[: len(PNG) // 2], 'cut short'),
    'a PNG with a wrong byte': (PNG[:999] + b'?' + PNG[1000:], 'it is damaged'),
    'a JPEG that is cut in its pixels': (JPEG[:-300], 'truncated'),
    'a TIFF of 16 bits plane by plane': (PLANES, 'one after another, which OpenCV misreads; save them interleaved'),
    'a TIFF of 16 bits whose zero is white': (WHITE_IS_ZERO, 'its zero is white; save it with black as zero'),
    'a TIFF of NaN': (tiff(np.nan, np.float32), 'not a number or infinite; save it with 8 or 16'),
    'a TIFF below 0': (tiff(-3, np.int32), 'from -3 to -3'),
    'a TIFF of radiances': (tiff(1e7, np.float32), 'to 1e[+]07, and 0 to 65535 is known'),
}
MASKS = {
    'a mask in CMYK': (encoded(Image.fromarray(SCENE).convert('CMYK'), 'TIFF'), '4 channels that'),
    'a mask in its transparency': (encoded(CLEAR), 'transparency differs from pixel to pixel'),
    'a mask of 16 bits plane by plane': (PLANES, 'one after another'),
    'a mask of shares': (tiff(0.5, np.float32), 'numbers that are not whole; save it as 8-bit'),
    'a palette of greys out of order': (palette([[9] * 3, [200] * 3, [90] * 3]), 'another order'),
}


def one_file(read, data, words, name='a file.png'):
    def act(root):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
        read(root / name)

    return act, f'{name}.*({words})'


def spoil(part: str, content, suffix: str = '.png', numbers=(2,)):
    """Put other content or nothing (None) in the place of images or of masks."""

    def change(root):
        folder = dict(image='render', mask='ground')[part]
        for number in numbers:
            path = root / 'images' / folder / f'{folder}{number:04d}.png'
            path.unlink()
            if content is not None:
                path.with_suffix(suffix).write_bytes(content)

    return change


def overwrite(name: str, content: bytes):
    return lambda root: (root / name).write_bytes(content)


SETS = {
    'images of another ending': (lambda root: None, dict(img_suffix='.jpg'), '8 other files: render0000.png.*img_suffix'),
    'two images of one id': (lambda root: (root / 'images/render/render0001.jpg').write_bytes(JPEG), {}, 'one id'),
    'a mask of grey levels': (spoil('mask', encoded(GREY)), {}, r'0/255 or 0/1: .*\(128\)'),
    'a mask of 0, 1 and 255': (spoil('mask', encoded((ROCKS + 255 * ROCKS[::-1]).astype(np.uint8))), {}, '0/255 or 0/1'),
    'a mask below 0': (spoil('mask', tiff(-1, np.int32, (64, 64)), '.tif'), dict(seg_map_suffix=['.png', '.tif']), r'\(-1\)'),
    'a smaller mask': (spoil('mask', encoded(ROCKS[:32])), {}, 'image 64x64, mask 64x32'),
    'a mask in colours': (spoil('mask', encoded(SCENE)), {}, 'several channels.*prepare_data.py'),
    'an image of NaN': (spoil('image', tiff(np.nan, np.float32), '.tif'), {}, 'does not say what its pixels mean'),
    'an image that is empty': (spoil('image', b''), {}, 'unreadable file: .*it is empty'),
    'a list of other names': (overwrite('list.txt', b'render0001.png\n'), dict(ann_file='list.txt'), 'lists 1 ids, 1 of which'),
    'seven images without masks': (spoil('mask', None, numbers=range(7)), {}, '7 of 8 images .* have no ground.* render0000.png, .*'),
    'masks without a rock': (spoil('mask', encoded(GREY * 0), numbers=range(8)), {}, 'none of the 8 masks holds a single rock'),
}  # fmt: skip


def one_set(change, options, words):
    def act(root):
        make_moon(root, 8)
        change(root)
        MoonDataset(**{'data_root': str(root), 'split': 'all', **options})

    return act, words


COCO = dict(
    images=[dict(id=i, file_name=f'{i}.jpg', width=48, height=32) for i in (1, 2)],
    categories=[dict(id=1, name='rock'), dict(id=2, name='sky')],
    annotations=[
        dict(id=1, image_id=1, category_id=1, segmentation=[[1, 1, 9, 1, 9, 9]], iscrowd=0),
        dict(id=2, image_id=2, category_id=2, segmentation=dict(size=[32, 48], counts=[100, 36, 1400]), iscrowd=1),
        dict(id=3, image_id=2, category_id=1, segmentation=dict(size=[32, 48], counts='0P`1'), iscrowd=1),
    ],
)
BOXES = dict(COCO, annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 9, 9])])
SOURCES = {
    'annotations that are no JSON': (b'{"images":', 'is no JSON'),
    'JSON of another kind': (b'[1]', 'no lists named'),
    'boxes alone': (json.dumps(BOXES).encode(), 'none of its 1 annotations can be used'),
}


def saved(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


WEIGHTS = saved(dict(state_dict=torch.nn.Linear(9, 9).state_dict(), meta=dict(epoch=1)))
CHECKPOINTS = {
    'a checkpoint that is cut': (WEIGHTS[:600], 'was not loaded'),
    'a checkpoint of words': (saved(dict(a='b')), 'holds no weights'),
}


def tiny(change=lambda root: None, **options):
    def act(root):
        from custom_modules.datasets.tiny_imagenet import TinyImageNet

        make_tiny_imagenet(root, WNIDS)
        change(root)
        for split in ('train', 'val'):
            TinyImageNet(**{'data_root': str(root), 'split': split, **options})

    return act


def unlist_a_class(root):
    rows = (root / 'val/val_annotations.txt').read_text().splitlines()
    (root / 'val/val_annotations.txt').write_text('\n'.join(r for r in rows if WNIDS[2] not in r))


def results(path):
    Results(path.parent, None, {}, resume=True)


def scalars(path):
    read_scalars(path.parents[2])


PICTURES, SCALARS = 'pictures.jsonl', '20260101_000000/vis_data/scalars.json'
TABLES = {
    'results of a prediction that are a list': (results, b'[1]\n', 'is damaged, or no list of results', PICTURES),
    'results with a damaged line': (results, b'{}\n{"pict\n{"picture": "a.png"}\n', 'is damaged', PICTURES),
    'a log with a damaged line': (scalars, b'{"epoch": 1, "lo\n{"epoch": 2, "loss": 1}\n', 'is damaged', SCALARS),
    'a log of numbers': (scalars, b'3\n4\n', 'is damaged', SCALARS),
}


def other_colours(root):
    for folder, data in (('images', encoded(SCENE[:8, :8])), ('masks', palette([[0] * 3, [0, 0, 9], [0, 9, 0]]))):
        (root / folder).mkdir()
        (root / folder / 'a.png').write_bytes(data)
    IndexedMaskDataset(str(root), ('a', 'b', 'c'), [[0, 0, 0], [0, 9, 0], [0, 0, 9]], split='all')


BAD = {
    **{name: one_file(read_image, *row) for name, row in IMAGES.items()},
    **{name: one_file(read_mask, *row) for name, row in MASKS.items()},
    **{name: one_file(load_checkpoint_file, *row) for name, row in CHECKPOINTS.items()},
    **{name: one_set(*row) for name, row in SETS.items()},
    **{name: one_file(CocoFile, *row) for name, row in SOURCES.items()},
    **{name: one_file(*row) for name, row in TABLES.items()},
    'a broken validation image': (tiny(overwrite('val/images/val_0.JPEG', JPEG[:-99])), 'truncated'),
    'a missing validation image': (tiny(lambda root: (root / 'val/images/val_3.JPEG').unlink()), '1 images .* are not in .*val_3.JPEG'),
    'a class that validation lacks': (tiny(unlist_a_class), '1 classes have no image .* n00000003'),
    'an unknown part of Tiny ImageNet': (tiny(split='test'), "'train' or 'val', got 'test'"),
    'no Tiny ImageNet': (tiny(data_root='nowhere'), 'no such folder: run .*prepare_data.py tiny-imagenet'),
    'a class without images': (tiny(lambda root: (root / 'train/n00000002').rename(root / 'n2')), 'Class n00000002 has no'),
    'a palette in other colours': (other_colours, 'index 1 is class 1 in the colour of class 2'),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_one_bad_input(name, tmp_path):
    act, words = BAD[name]
    with pytest.raises(UsageError, match=words) as caught:
        act(tmp_path)
    assert '\n' not in str(caught.value)

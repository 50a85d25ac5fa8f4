"""Input of every bad kind: one sentence and exit code 2, never a traceback."""

import io
import json
import re
import zipfile

import cv2
import numpy as np
import pytest
import torch
from conftest import make_moon, make_tiny_imagenet
from pictures import encoded, of_opencv, of_palette
from PIL import Image

from custom_modules.datasets.mask_datasets import IndexedMaskDataset, MoonDataset
from custom_modules.deploy.predict import Results
from custom_modules.models.safe_loading import load_checkpoint_file
from custom_modules.reporting.runs import read_scalars
from custom_modules.utils.errors import reporting_errors
from custom_modules.utils.images import find_pictures, read_image, read_mask
from tools.prepare_data import main as prepare

RNG = np.random.default_rng(0)
SCENE = cv2.GaussianBlur(RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8), (5, 5), 1)
MASK = np.zeros((32, 48), np.uint8)
MASK[4:12, 8:30] = 255
GREY = np.full((64, 64), 128, np.uint8)
ROCKS = np.eye(64, dtype=np.uint8)


def tiff(value, kind, shape=(8, 8)) -> bytes:
    return of_opencv(np.full(shape, value, kind))


def with_bit(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]


def palette(colours) -> bytes:
    return of_palette(np.arange(64, dtype=np.uint8).reshape(8, 8) % 3, colours)


PNG, JPEG = encoded(SCENE), encoded(SCENE, 'JPEG')
CLEAR = np.zeros((8, 8, 4), np.uint8)
CLEAR[:4, :4, 3] = 255
IMAGES = {
    'an empty image': (b'', 'it is empty'),
    'a page in place of an image': (b'<html>404</html>', 'it is no image'),
    'a PNG of its signature alone': (PNG[:8], 'cut short'),
    'a PNG that is cut in its pixels': (PNG[: len(PNG) // 2], 'cut short'),
    'a PNG with a wrong bit': (with_bit(PNG, len(PNG) // 2), 'it is damaged'),
    'a PNG with a wrong size': (with_bit(PNG, 18), 'it is damaged'),
    'a JPEG that is cut in its header': (JPEG[:40], 'it is no image|[Tt]runcated|broken'),
    'a JPEG that is cut in its pixels': (JPEG[:-300], 'truncated'),
    'a TIFF that is cut': (encoded(SCENE, 'TIFF')[:100], 'cannot be read'),
    'a TIFF of NaN': (tiff(np.nan, np.float32), 'not a number or infinite; save it with 8 or 16'),
    'a TIFF below 0': (tiff(-3, np.int32), 'from -3 to -3'),
    'a TIFF of radiances': (tiff(1e7, np.float32), 'to 1e[+]07, and 0 to 65535 is known'),
}
MASKS = {
    'an empty mask': (b'', 'it is empty'),
    'a mask in CMYK': (encoded(Image.fromarray(SCENE).convert('CMYK'), 'TIFF'), '4 channels that'),
    'a mask in its transparency': (encoded(CLEAR), 'transparency differs from pixel to pixel'),
    'a mask of shares': (tiff(0.5, np.float32), 'numbers that are not whole; save it as 8-bit'),
    'a palette of greys out of order': (palette([[9] * 3, [200] * 3, [90] * 3]), 'another order'),
}


def one_file(read, data, words):
    def act(root):
        (root / 'a file.png').write_bytes(data)
        read(root / 'a file.png')

    return act, f'a file.png.*({words})'


def nothing(root):
    pass


def spoil(part: str, content, suffix: str = '.png', numbers=(2,)):
    """Put other content, a folder (...) or nothing (None) in the place of an image or of a mask."""

    def change(root):
        folder = dict(image='render', mask='ground')[part]
        for number in numbers:
            path = root / 'images' / folder / f'{folder}{number:04d}.png'
            path.unlink()
            if content is ...:
                path.mkdir()
            elif content is not None:
                path.with_suffix(suffix).write_bytes(content)

    return change


def overwrite(name: str, content: bytes):
    return lambda root: (root / name).write_bytes(content)


def remove(name: str):
    return lambda root: (root / name).rename(root / 'elsewhere')


LISTED = dict(ann_file='list.txt')
SETS = {
    'no masks at all': (remove('images/ground'), {}, 'masks were looked for .* no such folder'),
    'two images of one id': (
        lambda root: (root / 'images/render/render0001.jpg').write_bytes(JPEG), {}, 'one id'),
    'a mask of grey levels': (spoil('mask', encoded(GREY)), {}, r'0/255 or 0/1: .*\(128\)'),
    'a smeared mask': (spoil('mask', encoded(MASK, 'JPEG', quality=50), '.jpg'),
                       dict(seg_map_suffix=['.png', '.jpg']), 'other than 0/255 or 0/1'),
    'a mask of 0, 1 and 255': (
        spoil('mask', encoded((ROCKS + 255 * ROCKS[::-1]).astype(np.uint8))), {}, '0/255 or 0/1'),
    'a mask below 0': (spoil('mask', tiff(-1, np.int32, (64, 64)), '.tif'),
                       dict(seg_map_suffix=['.png', '.tif']), r'\(-1\)'),
    'a smaller mask': (spoil('mask', encoded(ROCKS[:32])), {}, 'image 64x64, mask 64x32'),
    'a mask in colours': (spoil('mask', encoded(SCENE)), {}, 'several channels.*prepare_data.py'),
    'an image of NaN': (spoil('image', tiff(np.nan, np.float32), '.tif'), {}, 'does not say what its pixels mean'),
    'a folder in place of an image': (spoil('image', ...), {}, 'unreadable file: .*directory'),
    'no list': (nothing, LISTED, 'list.txt does not exist'),
    'an empty list': (overwrite('list.txt', b''), LISTED, 'it is empty'),
    'a list of other names': (overwrite('list.txt', b'render0001.png\n'), LISTED, 'lists 1 ids, 1 of which'),
    'a list that is no text': (overwrite('list.txt', PNG), LISTED, 'no text in UTF-8 or UTF-16'),
    'an unknown part': (nothing, dict(split='dev'), "got 'dev'"),
    'a part of no pair': (nothing, dict(split='test'), 'The test part .* is empty: 8 pairs'),
    'no folder at all': (nothing, dict(data_root='nowhere'), 'looked for in .*nowhere.*prepare_data.py .*MOON_DATA'),
    'images with another ending': (nothing, dict(img_suffix='.jpg'), r'0 images named render\*\.jpg .* 8 other files: render0000\.png.*img_suffix'),
    'seven images without masks': (
        spoil('mask', None, numbers=range(7)), {}, r'7 of 8 images .* have no ground\*\.png .*: render0000\.png, .*render0004\.png, \.\.\.;'),
    'masks without a rock': (
        spoil('mask', encoded(GREY * 0), numbers=range(8)), {}, 'none of the 8 masks holds a single rock'),
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


def archive(files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as file:
        for name, data in files.items():
            file.writestr(name, data)
    return stream.getvalue()


ARCHIVE = archive({'tiny/wnids.txt': 'n1', 'tiny/train/n1/images/a.JPEG': JPEG})
COMMANDS = {
    'no annotations': ('coco-to-masks', None, 'is not a file'),
    'annotations that are no JSON': ('coco-to-masks', b'{"images":', 'is no JSON'),
    'a folder without annotations': ('coco-to-masks', ..., 'no json file of labelme'),
    'JSON of another kind': ('coco-to-masks', b'[1]', 'no lists named'),
    'annotations nested without end': ('coco-to-masks', b'[' * 100_000, 'is no JSON'),
    'annotations without images': ('coco-to-masks', json.dumps(dict(COCO, images=None)).encode(), 'no lists named'),
    'boxes alone': ('coco-to-masks', json.dumps(BOXES).encode(), 'none of its 1 annotations can be used'),
    'no archive': ('tiny-imagenet', None, 'is not a file'),
    'an archive that is none': ('tiny-imagenet', b'hello', 'neither a zip nor a tar'),
    'an archive that is cut': ('tiny-imagenet', ARCHIVE[:-30], 'neither a zip nor|damaged'),
    'another archive': ('tiny-imagenet', archive({'a.txt': 'a'}), 'it is not Tiny ImageNet'),
}


def one_source(command, content, words):
    def act(root):
        if content is ...:
            (root / 'source').mkdir()
        elif content is not None:
            (root / 'source').write_bytes(content)
        code = prepare([command, str(root / 'source'), '--out', str(root / 'out')])
        assert not list(root.glob('out/*'))
        return code

    return act, words


def saved(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


WEIGHTS = saved(dict(state_dict=torch.nn.Linear(9, 9).state_dict(), meta=dict(epoch=1)))
CHECKPOINTS = {
    'an empty checkpoint': (b'', 'not loaded|Ran out'),
    'a checkpoint that is cut': (WEIGHTS[:600], 'was not loaded'),
    'a checkpoint of words': (saved(dict(a='b')), 'holds no weights'),
}
TINY = ['n00000001', 'n00000002', 'n00000003']


def tiny(change=nothing, **options):
    def act(root):
        from custom_modules.datasets.tiny_imagenet import TinyImageNet

        make_tiny_imagenet(root, TINY)
        change(root)
        for split in ('train', 'val'):
            TinyImageNet(**{'data_root': str(root), 'split': split, **options})

    return act


def unlist_a_class(root):
    rows = (root / 'val/val_annotations.txt').read_text().splitlines()
    (root / 'val/val_annotations.txt').write_text('\n'.join(r for r in rows if TINY[2] not in r))


def picture_list(root):
    (root / 'list.txt').write_bytes(b'\x80\x81')
    find_pictures([str(root / 'list.txt')])


def results(content: bytes):
    def act(root):
        (root / 'pictures.jsonl').write_bytes(content)
        Results(root, None, {}, resume=True)

    return act, 'pictures.jsonl is damaged, or no list of results'


def scalars(content: bytes):
    def act(root):
        path = root / '20260101_000000' / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        read_scalars(root)

    return act, 'scalars.json is damaged'


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
    **{name: one_source(*row) for name, row in COMMANDS.items()},
    'a broken training image': (tiny(overwrite('train/n00000001/images/n00000001_0.JPEG', b'')), 'it is empty'),
    'a broken validation image': (tiny(overwrite('val/images/val_0.JPEG', JPEG[:-99])), 'truncated'),
    'no list of classes': (tiny(lambda root: (root / 'wnids.txt').unlink()), 'wnids.txt does not'),
    'a missing validation image': (tiny(lambda root: (root / 'val/images/val_3.JPEG').unlink()), '1 images .* are not in .*val_3.JPEG'),
    'a class that validation lacks': (tiny(unlist_a_class), '1 classes have no image .* n00000003'),
    'an unknown part of Tiny ImageNet': (tiny(split='test'), "'train' or 'val', got 'test'"),
    'an unknown class': (tiny(wnids=[TINY[0], 'n12345678']), '1 of the chosen wnids .* n12345678'),
    'no Tiny ImageNet': (tiny(data_root='nowhere'), 'no such folder: run .*prepare_data.py tiny-imagenet'),
    'a class without images': (tiny(remove('train/n00000002')), 'Class n00000002 has no'),
    'a list of pictures that is no text': (picture_list, 'no text in UTF-8'),
    'results of a prediction that are none': results(b'<html>\n'),
    'results of a prediction that are a list': results(b'[1]\n'),
    'results of a prediction with a damaged line': results(b'{}\n{"pict\n{"picture": "a.png"}\n'),
    'results of a prediction that are no text': results(b'\xff\xfe\n'),
    'a log with a damaged line': scalars(b'{"epoch": 1, "lo\n{"epoch": 2, "loss": 1}\n'),
    'a log of numbers': scalars(b'3\n4\n'),
    'a log that is no text': scalars(PNG),
    'a palette in other colours': (other_colours, 'index 1 is class 1 in the colour of class 2'),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_one_bad_input(name, tmp_path, capsys):
    act, words = BAD[name]
    codes = []
    try:
        reporting_errors(lambda: codes.append(act(tmp_path)))()
    except SystemExit as stop:
        codes.append(stop.code)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(('libpng', '[ WARN'))]
    assert codes == [2] and re.search(words, line), line

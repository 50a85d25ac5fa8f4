"""IndexedMaskDataset: indices, palettes, three ways to split, and a sentence for each mistake."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from custom_modules.datasets.indexed_mask_dataset import IndexedMaskDataset
from custom_modules.datasets.masks import class_palette
from custom_modules.utils.errors import UsageError

CLASSES = ('background', 'small', 'large')
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ResizeToLoadSize'),
    dict(type='PackSegInputs'),
]


@pytest.fixture(autouse=True)
def registered():
    from mmengine.registry import init_default_scope

    import custom_modules.segmentation  # noqa: F401

    init_default_scope('mmseg')


@pytest.fixture
def said(monkeypatch) -> list[str]:
    said = []
    for module in ('pairs', 'masks'):
        monkeypatch.setattr(f'custom_modules.datasets.{module}.warn', said.append)
    return said


def bands(values=(0, 1, 2, 1), size: int = 64) -> np.ndarray:
    """A mask of equal bands, one for each value."""
    return np.repeat(np.array(values, np.uint8), size // len(values))[:, None].repeat(size, 1)


def write(root: Path, name: str, mask, image=None, images='images', masks='masks') -> Path:
    for folder in (images, masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
    mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    image = np.zeros((*mask.size[::-1], 3), np.uint8) if image is None else image
    Image.fromarray(image).save(root / images / f'{name}.png')
    mask.save(root / masks / f'{name}.png')
    return root / masks / f'{name}.png'


@pytest.fixture
def root(tmp_path):
    for i in range(10):
        write(tmp_path, f'{i:02d}', bands())
    return tmp_path


def ids(dataset) -> list[str]:
    return [Path(dataset.get_data_info(i)['img_path']).stem for i in range(len(dataset))]


def label(dataset, index: int = 0) -> np.ndarray:
    return dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()


def make(root, classes=CLASSES, **options) -> IndexedMaskDataset:
    # mmengine's serializing collects garbage, which takes longer than all the rest
    return IndexedMaskDataset(root, classes, serialize_data=False, **options)


def test_masks_hold_class_indices(root):
    dataset = make(root, CLASSES, split='all', pipeline=PIPELINE)
    assert (label(dataset) == bands()).all()
    assert dataset.metainfo['classes'] == CLASSES


@pytest.mark.parametrize('key', [int, str])
def test_label_map_takes_numbers_and_text(root, key):
    for i in range(10):
        write(root, f'{i:02d}', bands((0, 1, 2, 3)))
    label_map = {key(value): index for value, index in {0: 0, 1: 0, 2: 1, 3: 2}.items()}
    dataset = make(root, CLASSES, label_map=label_map, pipeline=PIPELINE)
    assert (label(dataset) == bands((0, 0, 1, 2))).all()


def test_label_map_does_not_map_twice(tmp_path):
    write(tmp_path, 'a', bands((0, 1, 2, 9)))
    dataset = make(
        tmp_path, CLASSES, split='all', label_map={0: 1, 1: 2, 2: 0, 9: 0}, pipeline=PIPELINE
    )
    assert (label(dataset) == bands((1, 2, 0, 0))).all()


@pytest.mark.parametrize('ignored', [255, 9])
@pytest.mark.parametrize('several', [False, True])
def test_ignored_pixels_become_255_if_they_are_named(tmp_path, ignored, several):
    write(tmp_path, 'a', bands((0, 1, 2, ignored)))
    with pytest.raises(UsageError, match=rf'other than 0 to 2: .*a\.png \({ignored}\)'):
        make(tmp_path, CLASSES, split='all')
    dataset = make(
        tmp_path,
        CLASSES,
        split='all',
        ignore_index=[7, ignored] if several else ignored,
        pipeline=PIPELINE,
    )
    assert (label(dataset) == bands((0, 1, 2, 255))).all()


def test_a_palette_s_indices_count_not_its_colours(tmp_path):
    """The check sees what training reads, though the colours are greys that are indices too."""
    mask = Image.fromarray(bands((0, 1)), mode='P')
    mask.putpalette([0, 0, 0, 2, 2, 2, 1, 1, 1])
    path = write(tmp_path, 'a', mask)
    assert Image.open(path).mode == 'P'
    dataset = make(tmp_path, CLASSES[:2], split='all', pipeline=PIPELINE)
    assert (label(dataset) == bands((0, 1))).all()
    mask.putdata(bands((0, 2)).ravel().tolist())
    write(tmp_path, 'a', mask)
    with pytest.raises(UsageError, match=r'\(2\)'):
        make(tmp_path, CLASSES[:2], split='all')


def test_masks_of_one_bit(tmp_path):
    write(tmp_path, 'a', Image.fromarray(bands((0, 1)) > 0))
    dataset = make(tmp_path, CLASSES[:2], split='all', pipeline=PIPELINE)
    assert (label(dataset) == bands((0, 1))).all()


def test_a_photograph_that_its_camera_stored_lying(tmp_path):
    """The pipeline turns it: a mask fits if it is as large as the turned image."""
    write(tmp_path, 'a', bands(size=64)[:, :32])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(tmp_path / 'images' / 'a.jpg', exif=exif)
    (tmp_path / 'images' / 'a.png').unlink()
    options = dict(split='all', img_suffix='.jpg', pipeline=PIPELINE)
    sample = make(tmp_path, CLASSES, **options)[0]
    assert sample['inputs'].shape[1:] == sample['data_samples'].gt_sem_seg.shape == (64, 32)
    write(tmp_path, 'a', bands(size=64)[:32])
    (tmp_path / 'images' / 'a.png').unlink()
    with pytest.raises(UsageError, match='image 32x64, mask 64x32'):
        make(tmp_path, CLASSES, **options)


def test_hashed_parts_are_disjoint_and_complete(root):
    parts = [
        ids(make(root, CLASSES, split=split, test_fraction=0.2))
        for split in ('train', 'val', 'test', 'all')
    ]
    assert [len(part) for part in parts] == [6, 2, 2, 10]
    assert sorted(sum(parts[:3], [])) == parts[3]


def test_list_file(root):
    (root / 'mine.txt').write_text('07\n02\n')
    assert ids(make(root, CLASSES, ann_file='mine.txt')) == ['02', '07']


@pytest.mark.parametrize(
    'folders', [('{split}/images', '{split}/masks'), ('i/{split}', 'm/{split}')]
)
def test_parts_with_folders_of_their_own(tmp_path, folders):
    """All of a folder, hashed or not; the part may have any name."""
    for split, names in (('train', 'abc'), ('validation', 'de'), ('test', 'f')):
        images, masks = (folder.format(split=split) for folder in folders)
        for name in names:
            write(tmp_path, name, bands(), images=images, masks=masks)
    prefix = dict(img_path=folders[0], seg_map_path=folders[1])

    def part(split, **options):
        return ids(make(tmp_path, CLASSES, split=split, data_prefix=prefix, **options))

    assert [part('train'), part('validation'), part('test')] == [['a', 'b', 'c'], ['d', 'e'], ['f']]
    (tmp_path / 'mine.txt').write_text('b\n')
    assert part('train', ann_file='mine.txt') == ['b']
    with pytest.raises(UsageError, match='images were looked for in .*val.* no such folder: set'):
        part('val')


def test_load_size(root):
    dataset = make(root, CLASSES, load_size=(32, 16), pipeline=PIPELINE)
    assert dataset[0]['inputs'].shape == (3, 16, 32)
    assert set(np.unique(label(dataset))) == {0, 1, 2}


def test_a_class_without_a_pixel_is_said(root, said):
    write(root, '00', bands((0, 0)))
    make(root, CLASSES)
    assert not said
    make(root, (*CLASSES, 'huge'), split='val')
    assert len(said) == 1 and 'no pixel of huge in the 2 masks of the val part' in said[0]


def test_nothing_is_read_unless_checked(root, said):
    (root / 'masks' / '03.png').write_text('hello')
    assert len(make(root, (*CLASSES, 'huge'), split='all', check=False)) == 10
    assert not said


def test_every_file_is_read_once(root, monkeypatch):
    opened = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, 'read_bytes', lambda path: opened.append(path) or read(path))
    make(root, CLASSES, split='all')
    assert len(opened) == len(set(opened)) == 20


def test_colours(root):
    assert make(root, CLASSES).metainfo['palette'] == class_palette(3)
    mine = [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert make(root, CLASSES, palette=mine).metainfo['palette'] == mine
    for count in (2, 8, 9, 40):
        palette = class_palette(count)
        assert len({tuple(colour) for colour in palette}) == count
        assert sum(palette[0]) <= min(map(sum, palette))


def colours(root):
    coloured = np.eye(64, dtype=np.uint8)[..., None] * np.uint8([9, 0, 0])
    Image.fromarray(coloured).save(root / 'masks' / '03.png')


def beyond(root):
    write(root, '03', bands((0, 1, 2, 7)))


def sixteen_bits(root):
    # as bytes, 256 would be class 0
    write(root, '03', Image.fromarray(bands().astype(np.uint16) + 256))


def half(root):
    write(root, '03', bands()[:32], image=np.zeros((64, 64, 3), np.uint8))


def truncated(root):
    path = root / 'images' / '03.png'
    path.write_bytes(path.read_bytes()[:-30])


def lone(root):
    (root / 'masks' / '03.png').unlink()


def nothing(root):
    pass


@pytest.mark.parametrize(
    ('spoil', 'arguments', 'words'),
    [
        (
            colours,
            {},
            r'several channels: .*03\.png \(it has 3 channels that differ\); save them with one channel',
        ),
        (beyond, {}, r'^1 of 10 pairs .* other than 0 to 2: .*03\.png \(7\); give .*label_map'),
        (beyond, dict(label_map={0: 0, 1: 1, 7: 2}), r'other than 0, 1, 7: .*00\.png \(2\)'),
        (beyond, dict(ignore_index=255), r'03\.png \(7\); [^;]*0/255\.$'),
        (sixteen_bits, {}, r'03\.png \(256, 257, 258\)'),
        (half, {}, r'another size .*03\.png \(image 64x64, mask 64x32\)'),
        (truncated, {}, r'unreadable file: .*03\.png .*cut short'),
        (lone, {}, r'1 of 10 images .* have no \*\.png in .*masks: 03\.png; add the masks'),
        (nothing, dict(img_suffix='.jpg'), r'0 images named \*\.jpg .*img_suffix'),
        (nothing, dict(remedy='ask Ada', img_suffix='.jpg'), 'ask Ada'),
        (nothing, dict(split='dev'), "IndexedMaskDataset is 'train', .* got 'dev'"),
        (nothing, dict(split='test'), 'test part .* is empty: 10 pairs with val_fraction=0.2 and'),
        (nothing, dict(val_fraction=1.0), 'leave some for training, got 1.0 and 0.0'),
        (nothing, dict(ann_file='no.txt'), 'no.txt does not exist; .* such as 00'),
        (nothing, dict(classes='rock'), "list of 2 to 255 different names, .* got 'rock'"),
        (nothing, dict(classes=('a', 'a')), 'different names'),
        (nothing, dict(classes=('a',)), '2 to 255'),
        (nothing, dict(palette=[[0, 0, 0]]), 'palette holds .* each of the 3 classes, got'),
        (nothing, dict(label_map={0: 3}), r'value 0 to 3, but the 3 classes .* indices 0 to 2'),
        (nothing, dict(label_map={0: 255}), 'name it in ignore_index'),
        (nothing, dict(label_map={'rock': 1}), "from 0 to 255, .* got the value 'rock'"),
        (nothing, dict(label_map={256: 1}), 'got the value 256'),
        (nothing, dict(ignore_index=2), "ignore_index=2 is also the mask value of class 'large'"),
        (nothing, dict(ignore_index=300), 'several of them, or None, got 300'),
    ],
)
def test_each_mistake_gets_its_sentence(root, spoil, arguments, words):
    spoil(root)
    with pytest.raises(UsageError, match=words) as caught:
        make(root, **{'classes': CLASSES, 'split': 'all', **arguments})
    assert '\n' not in str(caught.value)


def test_masks_of_0_and_255_are_not_ignored_unasked(tmp_path):
    write(tmp_path, 'a', bands((0, 255)))
    with pytest.raises(UsageError, match=r'\(255\); .*\{0: 0, 255: 1\}.*ignore_index=255'):
        make(tmp_path, CLASSES[:2], split='all')


def test_missing_folder_says_what_helps(tmp_path):
    with pytest.raises(UsageError, match='The data set was looked for in .*set data_root'):
        make(tmp_path / 'nowhere', CLASSES)


@pytest.fixture
def lunar(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv('MOON_MULTICLASS_DATA', str(tmp_path))
    for i in range(10):
        folders = dict(images='images/render', masks='images/ground')
        write(tmp_path, f'{i}', bands((0, 1, 2, 3)), **folders)
        for folder, prefix in (('render', 'render'), ('ground', 'ground')):
            path = tmp_path / 'images' / folder / f'{i}.png'
            path.rename(path.with_name(f'{prefix}{i}.png'))
    return tmp_path


@pytest.mark.parametrize(
    ('name', 'labels', 'classes'),
    [
        ('unet_r34', [0, 0, 1, 2], ('background', 'small_rock', 'large_rock')),
        ('unet_r34_4_classes', [0, 1, 2, 3], ('ground', 'sky', 'small_rock', 'large_rock')),
    ],
)
def test_lunar_configs(name, labels, classes, lunar, repository):
    from mmengine.registry import DATASETS

    cfg = Config.fromfile(repository / 'configs' / 'multiclass' / f'{name}.py')
    parts = []
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        dataset = DATASETS.build({**loader.dataset, 'pipeline': PIPELINE})
        assert label(dataset)[::64, 0].tolist() == labels
        assert dataset[0]['inputs'].shape == (3, 256, 256)
        assert dataset.metainfo['classes'] == classes
        parts.append(ids(dataset))
    assert [len(part) for part in parts] == [6, 2, 2] and len(set(sum(parts, []))) == 10
    assert set(cfg.test_evaluator.report_classes) <= set(classes)
    assert cfg.train_dataloader.drop_last and cfg.train_dataloader.batch_size == 8


def test_missing_lunar_set_names_the_command(repository, monkeypatch, tmp_path):
    from mmengine.registry import DATASETS

    monkeypatch.setenv('MOON_MULTICLASS_DATA', str(tmp_path / 'nowhere'))
    cfg = Config.fromfile(repository / 'configs' / '_base_' / 'datasets' / 'lunar_multiclass.py')
    with pytest.raises(UsageError, match='prepare_data.py lunar .*MOON_MULTICLASS_DATA'):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_parts_of_one_folder_are_cut_alike(root):
    from custom_modules.engine.config_checks import require_one_split

    def loaders(common=(), **test) -> Config:
        common = dict(common, type='IndexedMaskDataset', data_root=str(root), classes=CLASSES)
        return Config(
            dict(
                train_dataloader=dict(dataset=common),
                test_dataloader=dict(dataset={**common, 'split': 'test', **test}),
            )
        )

    require_one_split(loaders())
    with pytest.raises(UsageError, match='cut differently .*test_fraction=0.1.*images are shared'):
        require_one_split(loaders(test_fraction=0.1))
    # another folder, or one for each part: nothing is shared
    require_one_split(loaders(test_fraction=0.1, data_prefix=dict(img_path='others')))
    own = dict(data_prefix=dict(img_path='{split}/images'))
    require_one_split(loaders(own, test_fraction=0.1))

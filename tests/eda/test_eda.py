"""Every planted defect is found, named and decides the exit code; what the data are told to be equals a computation by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import loader_options, make_moon, write_config
from pictures import load, save

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.masks import class_weights, count_pixels
from custom_modules.datasets.splits import hashed_split
from custom_modules.eda.report import survey
from custom_modules.eda.sources import config_subject, folder_subject


def noise(seed: int, shape=(64, 64, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)


def square(value: int = 1) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:24, 8:24] = value
    return mask


def pair(root: Path, part: str, name: str, seed: int, mask=None) -> None:
    save(root / part / 'images' / f'{name}.png', noise(seed))
    save(root / part / 'masks' / f'{name}.png', square() if mask is None else mask)


def config_of(tmp_path: Path, **parts) -> Path:
    lines = [f'{name}_dataloader = dict(dataset={options})' for name, options in parts.items()]
    return write_config(tmp_path / 'mine.py', '_base_/seg_runtime', '\n'.join(lines))


def named(summary: dict) -> dict:
    return {(d['kind'], d['part']): d['files'] for d in summary['errors'] + summary['warnings']}


def test_each_defect_is_named_once_and_the_sound_pairs_are_measured(tool, tmp_path):
    root = tmp_path / 'data'
    empty, ignored = square(0), np.full((64, 64), 200, np.uint8)
    small, stray = np.ones((32, 48), np.uint8), np.full((32, 48), 9, np.uint8)
    # two defects of one mask do not hide each other; the same image under another name; two scenes with one id
    for seed, (part, name, mask) in enumerate((
        ('train', 'a', None), ('train', 'b', None), ('val', 'c', None), ('train', 'no_mask', None), ('train', 'no_image', None),
        ('train', 'cut_image', None), ('val', 'cut_mask', noise(7)[..., 0]), ('train', 'colour', noise(9)),
        ('train', 'stray', square(7)), ('train', 'small', small), ('train', 'small_stray', stray), ('train', 'empty', empty),
        ('val', 'ignored', ignored), ('train', 'both', None), ('val', 'both', None),
    )):  # fmt: skip
        pair(root, part, name, seed, mask)
    pair(root, 'val', 'd', 0)
    save(root / 'val/images/d.png', noise(0), compress_level=0)
    pair(root, 'train', 'b_again', 1)
    (root / 'train/masks/no_mask.png').unlink()
    (root / 'train/images/no_image.png').unlink()
    for path in (root / 'train/images/cut_image.png', root / 'val/masks/cut_mask.png'):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    common = dict(type='IndexedMaskDataset', data_root=str(root), classes=('ground', 'rock'))
    common |= dict(ignore_index=200, data_prefix=dict(img_path='{split}/images', seg_map_path='{split}/masks'))
    parts = dict(train='train', val='val', test='val')
    config = config_of(tmp_path, **{part: dict(common, split=split) for part, split in parts.items()})
    out = tmp_path / 'out'
    assert tool('eda.py', config, '-o', out) == 1
    summary = json.loads((out / 'eda_summary.json').read_text())
    found = named(summary)
    for kind, part in (('image', 'train'), ('mask', 'val')):
        (said,) = found.pop((f'unreadable_{kind}', part))
        assert said.startswith(f'{part}/{kind}s/cut_{kind}.png (')
    assert found == {
        ('image_without_mask', 'train'): ['train/images/no_mask.png'],
        ('mask_without_image', 'train'): ['train/masks/no_image.png'],
        ('several_channels', 'train'): ['train/masks/colour.png (it has 3 channels that differ)'],
        ('stray_values', 'train'): ['train/masks/small_stray.png (9)', 'train/masks/stray.png (7)'],
        ('size_mismatch', 'train'): [
            'train/masks/small.png (image 64x64, mask 48x32)',
            'train/masks/small_stray.png (image 64x64, mask 48x32)',
        ],
        ('empty_mask', 'train'): ['train/masks/empty.png'],
        ('background_only_mask', 'train'): ['train/masks/empty.png'],
        ('empty_mask', 'val'): ['val/masks/ignored.png'],
        ('background_only_mask', 'val'): ['val/masks/ignored.png'],
        ('duplicate_across_parts', 'train, val'): ['train: train/images/a.png = val: val/images/d.png'],
        ('duplicate_within_part', 'train'): ['train/images/b.png = train/images/b_again.png'],
        ('id_in_several_parts', 'train, val'): ['both'],
    }
    assert summary['same_parts'] == {'test': 'val'}
    # a, b, b_again, empty, both; c, d, ignored, both
    assert [summary['parts'][name]['sound_pairs'] for name in ('train', 'val')] == [5, 4]
    assert summary['statistics']['train']['classes'][1]['pixels'] == 4 * 256
    page = (out / 'eda_summary.md').read_text()
    assert 'train/masks/stray.png (7)' in page and 'test equals val' in page
    for name in ('class_distribution', 'image_sizes', 'object_sizes', 'sample_sheet'):
        assert f'({name}.png)' in page and min(load(out / f'{name}.png').shape[:2]) > 100
    assert tool('eda.py', config, '-o', out) == 2


def test_a_hashed_split_is_cut_over_whole_pairs(tmp_path):
    root = make_moon(tmp_path / 'moon', 10)
    (root / 'images/ground/ground0003.png').unlink()
    # several endings, as documented
    common = dict(type='MoonDataset', data_root=str(root), test_fraction=0.2, img_suffix=['.jpg', '.png'])
    config = config_of(tmp_path, **{part: dict(common, split=part) for part in ('train', 'val')})
    summary, _ = survey(config_subject(str(config)))
    ids = [f'{i:04d}' for i in range(10) if i != 3]
    sizes = {part: len(hashed_split(ids, part, 0.2, 0.2)) for part in ('train', 'val', 'test')}
    found = summary['parts']
    assert [found[p]['sound_pairs'] for p in ('train', 'val')] == [sizes['train'], sizes['val']]
    assert found['no part']['images'] == 1 and found['no part']['masks'] == 0
    assert named(summary) == {
        ('image_without_mask', 'no part'): ['images/render/render0003.png'],
        ('pair_in_no_part', 'no part'): hashed_split(ids, 'test', 0.2, 0.2),
    }


def test_lists_that_overlap_or_name_nothing(tmp_path):
    root = make_moon(tmp_path / 'moon', 4)
    (root / 'train.txt').write_text('0000\n0001\n0002\n7777')
    (root / 'val.txt').write_text('0002')
    parts = {p: dict(type='MoonDataset', data_root=str(root), ann_file=f'{p}.txt') for p in ('train', 'val')}
    summary, _ = survey(config_subject(str(config_of(tmp_path, **parts))))
    assert named(summary) == {
        ('listed_without_file', 'train'): ['7777'],
        ('id_in_several_parts', 'train, val'): ['0002'],
        ('pair_in_no_part', 'no part'): ['0003'],
    }
    # 0002 counts in both parts, and once in all
    assert {name: found['pairs'] for name, found in summary['statistics'].items()} == {'train': 3, 'val': 1, 'all parts': 3}


def look(root: Path, *pairs: tuple[np.ndarray, np.ndarray], **options) -> dict:
    for i, arrays in enumerate(pairs):
        for kind, array in zip(('images', 'masks'), arrays, strict=True):
            save(root / kind / f'{i}.png', array)
    summary, _ = survey(folder_subject(str(root / 'images'), str(root / 'masks'), **options))
    assert summary['sound'], summary['errors']
    return summary


def test_ceiling_of_columns_and_blocks(tmp_path):
    # halved, the pixel that stays is the right lower one of each 2x2
    vanish, fill, blocks = (np.zeros((128, 128), np.uint8) for _ in range(3))
    vanish[:, ::2] = fill[:, 1::2] = blocks[10:20, 30:60] = 1
    # without a class, and one that stays: its block's others are left out too
    blocks[65, 65] = 255
    pairs = [(noise(i, (128, 128, 3)), mask) for i, mask in enumerate((vanish, fill, blocks))]
    squeezed = look(tmp_path, *pairs, classes=['ground', 'rock'], ignore_index=255)['statistics']['all']['squeezed']
    # pixels of all masks together; of the background 8192 of the first, none of the second, all of the third are right
    background, rock = squeezed['64x64']['classes']
    assert rock['dice'] == pytest.approx(100 * 2 * 8492 / (16684 + 16684))
    assert rock['iou'] == pytest.approx(100 * 8492 / (16684 + 16684 - 8492))
    assert background['dice'] == pytest.approx(100 * 2 * (8192 + 16080) / (16384 + 16080 + 8192 + 8192 + 16080))
    assert squeezed['64x64']['mDice'] == pytest.approx((rock['dice'] + background['dice']) / 2)
    assert squeezed['128x128']['mDice'] == squeezed['256x256']['mIoU'] == 100


def test_objects_and_pixel_shares_of_planted_squares(tmp_path):
    first, second = np.zeros((2, 64, 64), np.uint8)
    # touching at a corner: one object
    first[:4, :4] = first[4:8, 4:8] = first[20:30, 20:30] = 1
    # of another class: an object of its own, though it touches
    first[30:32, 20:30] = 2
    second[0, 0] = 1
    summary = look(tmp_path, (noise(0), first), (noise(1), second), classes=['ground', 'small', 'large'])
    found = summary['statistics']['all']
    small, large = found['objects']
    assert (small['count'], large['count']) == (3, 1)
    # 1, 32 and 100 pixels
    assert small['pixels'] == pytest.approx({'0': 1, '5': 4.1, '25': 16.5, '50': 32, '75': 66, '95': 93.2, '100': 100})
    assert small['per_image_mean'] == 1.5 and large['per_image']['100'] == 1
    assert small['histogram'] == dict(edges=[1, 2, 4, 8, 16, 32, 64, 128], counts=[1, 0, 0, 0, 0, 1, 1])
    assert [c['pixels'] for c in found['classes']] == [8192 - 153, 133, 20]
    assert found['classes'][1]['share_percent'] == pytest.approx(100 * 133 / 8192)
    assert [c['masks'] for c in found['classes']] == [2, 2, 1]


def test_a_config_weighs_as_class_pixels_does(tool, moon, tmp_path, repository, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = loader_options(**{'dataset.load_size': '(16,16)'})
    assert tool('eda.py', repository / 'configs' / 'unet_baseline.py', '--cfg-options', *chosen) == 0
    summary = json.loads((tmp_path / 'work_dirs' / 'eda' / 'unet_baseline' / 'eda_summary.json').read_text())
    counts = count_pixels(MoonDataset(str(moon), 'train'))
    weights = class_weights(('background', 'rock'), counts)
    assert summary['class_weights'] == weights and weights['reason'] is None
    train = summary['statistics']['train']
    assert [c['pixels'] for c in train['classes']] == counts.sum(axis=0).tolist()
    # at the config's own size objects are a 16th
    (rock,) = train['objects']
    sixteenth = {level: value / 16 for level, value in rock['pixels'].items()}
    assert rock['at_load_size']['pixels'] == pytest.approx(sixteenth, abs=1e-3)

"""Every planted defect is found, named and decides the exit code; nothing else is reported."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import make_moon, write_pair
from PIL import Image

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.splits import hashed_split
from custom_modules.eda.report import survey
from custom_modules.eda.sources import config_subject
from custom_modules.utils.errors import UsageError

PARTS = dict(img_path='{split}/images', seg_map_path='{split}/masks')


def noise(seed: int, shape=(64, 64, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)


def square(value: int = 1) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:24, 8:24] = value
    return mask


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def pair(root: Path, part: str, name: str, seed: int, mask=None) -> None:
    save(root / part / 'images' / f'{name}.png', noise(seed))
    save(root / part / 'masks' / f'{name}.png', square() if mask is None else mask)


def write_config(tmp_path: Path, repository: Path, **parts) -> Path:
    path = tmp_path / 'mine.py'
    lines = [f"_base_ = ['{repository / 'configs' / '_base_' / 'seg_runtime.py'}']"]
    lines += [f'{name}_dataloader = dict(dataset={options})' for name, options in parts.items()]
    path.write_text('\n'.join(lines))
    return path


def options(root: Path, split: str, **more) -> dict:
    common = dict(type='IndexedMaskDataset', data_root=str(root), classes=('ground', 'rock'))
    return common | dict(split=split) | more


def named(summary: dict) -> dict:
    return {(d['kind'], d['part']): d['files'] for d in summary['errors'] + summary['warnings']}


def test_each_defect_is_named_once_and_the_sound_pairs_are_measured(tool, tmp_path, repository):
    root = tmp_path / 'data'
    empty, ignored = square(0), np.full((64, 64), 200, np.uint8)
    small, stray = np.ones((32, 48), np.uint8), np.full((32, 48), 9, np.uint8)
    # two defects of one mask do not hide each other; the same image under another name; two scenes with one id
    for seed, (part, name, mask) in enumerate((
        ('train', 'a', None), ('train', 'b', None), ('val', 'c', None), ('train', 'no_mask', None), ('train', 'no_image', None),
        ('train', 'cut_image', None), ('val', 'cut_mask', noise(7)[..., 0]), ('val', 'no_bytes', None), ('train', 'colour', noise(9)),
        ('train', 'stray', square(7)), ('train', 'small', small), ('train', 'small_stray', stray), ('train', 'empty', empty),
        ('val', 'ignored', ignored), ('train', 'both', None), ('val', 'both', None),
    )):  # fmt: skip
        pair(root, part, name, seed, mask)
    pair(root, 'val', 'd', 0)
    save(root / 'val/images/d.png', noise(0), compress_level=0)
    pair(root, 'train', 'b_again', 1)
    (root / 'train/masks/no_mask.png').unlink()
    (root / 'train/images/no_image.png').unlink()
    for name in ('train/images/cut_image.png', 'val/masks/cut_mask.png', 'val/images/no_bytes.png'):
        path = root / name
        path.write_bytes(b'' if 'bytes' in name else path.read_bytes()[: path.stat().st_size // 2])
    common = dict(data_prefix=PARTS, ignore_index=200)
    parts = {name: options(root, split, **common) for name, split in
             (('train', 'train'), ('val', 'val'), ('test', 'val'))}  # fmt: skip
    config = write_config(tmp_path, repository, **parts)
    out = tmp_path / 'out'
    assert tool('eda.py', config, '-o', out) == 1
    summary = json.loads((out / 'eda_summary.json').read_text())
    found = named(summary)
    for kind, part, name, words in (
        ('unreadable_image', 'train', 'train/images/cut_image.png (', 'cut short'),
        ('unreadable_mask', 'val', 'val/masks/cut_mask.png (', ''),
        ('unreadable_image', 'val', 'val/images/no_bytes.png (', 'empty'),
    ):
        (said,) = found.pop((kind, part))
        assert said.startswith(name) and words in said
    assert found == {
        ('image_without_mask', 'train'): ['train/images/no_mask.png'],
        ('mask_without_image', 'train'): ['train/masks/no_image.png'],
        ('several_channels', 'train'): ['train/masks/colour.png (it has 3 channels that differ)'],
        ('stray_values', 'train'): [
            'train/masks/small_stray.png (9)', 'train/masks/stray.png (7)',
        ],
        ('size_mismatch', 'train'): [
            'train/masks/small.png (image 64x64, mask 48x32)',
            'train/masks/small_stray.png (image 64x64, mask 48x32)',
        ],
        ('empty_mask', 'train'): ['train/masks/empty.png'],
        ('background_only_mask', 'train'): ['train/masks/empty.png'],
        ('empty_mask', 'val'): ['val/masks/ignored.png'],
        ('background_only_mask', 'val'): ['val/masks/ignored.png'],
        ('duplicate_across_parts', 'train, val'): [
            'train: train/images/a.png = val: val/images/d.png'
        ],
        ('duplicate_within_part', 'train'): [
            'train/images/b.png = train/images/b_again.png'
        ],
        ('id_in_several_parts', 'train, val'): ['both'],
    }  # fmt: skip
    warned = {d['kind'] for d in summary['warnings']}
    assert warned == {'mask_without_image', 'empty_mask', 'background_only_mask', 'duplicate_within_part'}  # fmt: skip
    assert summary['same_parts'] == {'test': 'val'}
    # a, b, b_again, empty, both; c, d, ignored, both
    assert [summary['parts'][name]['sound_pairs'] for name in ('train', 'val')] == [5, 4]
    assert summary['parts']['train'] == dict(
        images=11, masks=11, images_without_mask=1, masks_without_image=1, pairs=10, sound_pairs=5
    )
    assert summary['statistics']['train']['classes'][1]['pixels'] == 4 * 256
    page = (out / 'eda_summary.md').read_text()
    assert 'train/masks/stray.png (7)' in page and 'test equals val' in page
    for name in ('class_distribution', 'image_sizes', 'object_sizes', 'sample_sheet'):
        assert f'({name}.png)' in page
        with Image.open(out / f'{name}.png') as picture:
            assert min(picture.size) > 100
    assert tool('eda.py', config, '-o', out) == 2


def moon_config(tmp_path, repository, root, **more) -> str:
    def part(split):
        return dict(type='MoonDataset', data_root=str(root), split=split, **more)

    return str(write_config(tmp_path, repository, train=part('train'), val=part('val')))


def test_a_hashed_split_is_cut_over_whole_pairs(tmp_path, repository):
    root = make_moon(tmp_path / 'moon', 10)
    (root / 'images/ground/ground0003.png').unlink()
    # several endings, as documented
    more = dict(test_fraction=0.2, img_suffix=['.jpg', '.png'])
    summary, _ = survey(config_subject(moon_config(tmp_path, repository, root, **more)))
    ids = [f'{i:04d}' for i in range(10) if i != 3]
    sizes = {part: len(hashed_split(ids, part, 0.2, 0.2)) for part in ('train', 'val', 'test')}
    found = summary['parts']
    assert [found[p]['sound_pairs'] for p in ('train', 'val')] == [sizes['train'], sizes['val']]
    assert found['no part']['images'] == 1 and found['no part']['masks'] == 0
    assert named(summary) == {
        ('image_without_mask', 'no part'): ['images/render/render0003.png'],
        ('pair_in_no_part', 'no part'): hashed_split(ids, 'test', 0.2, 0.2),
    }


def test_moon_masks_are_judged_as_the_data_set_judges_them(tmp_path, repository):
    root = make_moon(tmp_path / 'moon', 5)
    mixed = square(255)
    mixed[0, 0] = 1
    write_pair(root, '0009', noise(9), mixed)
    with pytest.raises(UsageError, match=r'ground0009\.png \(0, 1, 255\)'):
        MoonDataset(str(root), 'all')
    summary, _ = survey(config_subject(moon_config(tmp_path, repository, root)))
    (files,) = [files for (kind, _), files in named(summary).items() if kind == 'stray_values']
    assert files == ['images/ground/ground0009.png (0, 1, 255)']


def test_lists_that_overlap_or_name_nothing(tmp_path, repository, monkeypatch):
    root = make_moon(tmp_path / 'moon', 4)
    (root / 'train.txt').write_text('0000\n0001\n0002\n7777')
    (root / 'val.txt').write_text('0002')
    config = write_config(tmp_path, repository, **{
        part: dict(type='MoonDataset', data_root=str(root), ann_file=f'{part}.txt')
        for part in ('train', 'val')
    })  # fmt: skip
    read = Counter()
    whole = Path.read_bytes
    monkeypatch.setattr(Path, 'read_bytes', lambda path: (read.update([path]), whole(path))[1])
    summary, _ = survey(config_subject(str(config)))
    assert named(summary) == {
        ('listed_without_file', 'train'): ['7777'],
        ('id_in_several_parts', 'train, val'): ['0002'],
        ('pair_in_no_part', 'no part'): ['0003'],
    }
    # 0002 counts in both parts, and once in all
    pairs = {name: found['pairs'] for name, found in summary['statistics'].items()}
    assert pairs == {'train': 3, 'val': 1, 'all parts': 3}
    read = {path: count for path, count in read.items() if path.suffix == '.png'}
    assert len(read) == 6 and set(read.values()) == {1}

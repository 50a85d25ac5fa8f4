"""Every planted defect is found, named and decides the exit code; nothing else is reported."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import make_moon, write_pair
from PIL import Image

from custom_modules.datasets.splits import hashed_split
from custom_modules.eda.examine import in_own_process
from custom_modules.eda.report import survey
from custom_modules.eda.sources import config_subject, folder_subject
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


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pair(root: Path, part: str, name: str, seed: int, mask=None, image=None) -> None:
    save(root / part / 'images' / f'{name}.png', noise(seed) if image is None else image)
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
    pair(root, 'train', 'a', 1)
    pair(root, 'train', 'b', 2)
    pair(root, 'val', 'c', 3)
    pair(root, 'train', 'no_mask', 4)
    (root / 'train/masks/no_mask.png').unlink()
    pair(root, 'train', 'no_image', 5)
    (root / 'train/images/no_image.png').unlink()
    pair(root, 'train', 'cut_image', 6)
    cut_short(root / 'train/images/cut_image.png')
    pair(root, 'val', 'cut_mask', 7, noise(7)[..., 0])
    cut_short(root / 'val/masks/cut_mask.png')
    pair(root, 'val', 'no_bytes', 8)
    (root / 'val/images/no_bytes.png').write_bytes(b'')
    pair(root, 'train', 'colour', 9, noise(9))
    pair(root, 'train', 'stray', 10, square(7))
    pair(root, 'train', 'small', 11, np.ones((32, 48), np.uint8))
    # two defects of one mask do not hide each other
    pair(root, 'train', 'small_stray', 12, np.full((32, 48), 9, np.uint8))
    pair(root, 'train', 'empty', 13, square(0))
    pair(root, 'val', 'ignored', 14, np.full((64, 64), 200, np.uint8))
    # the same pixels in another file, under another name
    pair(root, 'val', 'd', 1)
    save(root / 'val/images/d.png', noise(1), compress_level=0)
    pair(root, 'train', 'b_again', 2)
    # two scenes with the same id
    pair(root, 'train', 'both', 15)
    pair(root, 'val', 'both', 16)
    common = dict(data_prefix=PARTS, ignore_index=200)
    parts = {name: options(root, split, **common) for name, split in
             (('train', 'train'), ('val', 'val'), ('test', 'val'))}  # fmt: skip
    config = write_config(tmp_path, repository, **parts)
    out = tmp_path / 'out'
    assert tool('eda.py', config, '-o', out) == 1
    summary = json.loads((out / 'eda_summary.json').read_text())
    found = named(summary)
    unreadable = [found.pop(('unreadable_image', 'train')), found.pop(('unreadable_mask', 'val')),
                  found.pop(('unreadable_image', 'val'))]  # fmt: skip
    assert [len(files) for files in unreadable] == [1, 1, 1]
    assert (
        unreadable[0][0].startswith('train/images/cut_image.png (')
        and 'cut short' in unreadable[0][0]
    )
    assert unreadable[1][0].startswith('val/masks/cut_mask.png (')
    assert unreadable[2][0].startswith('val/images/no_bytes.png (')
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


def test_warnings_alone_leave_a_folder_sound(tool, tmp_path, capsys):
    images, masks = tmp_path / 'pictures', tmp_path / 'masks'
    for i in range(4):
        save(images / f'{i}.jpg', noise(i))
        save(masks / f'{i}.png', square(255 if i else 0))
    save(images / 'again.jpg', noise(1))
    save(masks / 'again.png', square(255))
    save(masks / 'alone.png', square(255))
    assert tool('eda.py', '--images', images, '--masks', masks, '--out', tmp_path / 'out') == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].endswith(str(tmp_path / 'out'))
    summary = json.loads((tmp_path / 'out' / 'eda_summary.json').read_text())
    assert summary['classes'] == ['background', 'rock'] and summary['errors'] == []
    assert set(named(summary)) == {
        ('mask_without_image', 'all'), ('empty_mask', 'all'), ('background_only_mask', 'all'),
        ('duplicate_within_part', 'all'),
    }  # fmt: skip


def test_six_names_are_all_in_the_json_and_five_on_the_page(tool, tmp_path, capsys):
    for i in range(7):
        save(tmp_path / 'images' / f'{i}.png', noise(i))
        save(tmp_path / 'masks' / f'{i}.png', square(255) if i < 4 else square(3) + 4)
    for i in range(7, 13):
        save(tmp_path / 'images' / f'{i:02d}.png', noise(i))
    out = tmp_path / 'out'
    arguments = ('--images', tmp_path / 'images', '--masks', tmp_path / 'masks', '-o', out)
    assert tool('eda.py', *arguments) == 1
    found = named(json.loads((out / 'eda_summary.json').read_text()))
    assert len(found['image_without_mask', 'all']) == 6
    assert len(found['stray_values', 'all']) == 3
    assert '6 x image without a mask (all): images/07.png, images/08.png, images/09.png, ' \
        'images/10.png, images/11.png, ...;' in capsys.readouterr().out  # fmt: skip


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
    from custom_modules.datasets.moon_dataset import MoonDataset

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
    (root / 'train.txt').write_text('0000 0001 0002 7777')
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


def test_smoothed_masks_are_defects_of_rock_masks(tmp_path):
    for i in range(3):
        save(tmp_path / 'images' / f'{i}.png', noise(i))
        save(tmp_path / 'masks' / f'{i}.png', np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1)))
    summary, _ = survey(folder_subject(str(tmp_path / 'images'), str(tmp_path / 'masks')))
    assert named(summary)['stray_values', 'all'][2] == 'masks/2.png (0, 4, 8, 12, 16, 20, ...)'


def test_a_part_without_anything_to_find_is_a_defect(tmp_path):
    for i in range(2):
        save(tmp_path / 'images' / f'{i}.png', noise(i))
        save(tmp_path / 'masks' / f'{i}.png', square(0))
    folders = str(tmp_path / 'images'), str(tmp_path / 'masks')
    summary, _ = survey(folder_subject(*folders))
    assert ('no_object', 'all') in named(summary) and not summary['sound']
    assert summary['class_weights']['inverse_frequency'] is None
    summary, sample = survey(folder_subject(*folders, label_map={7: 0, 8: 1}))
    assert set(named(summary)) == {('stray_values', 'all'), ('no_sound_pair', 'all')}
    assert sample.shown() == []


def test_what_the_user_can_mend_is_one_sentence(tool, tmp_path, repository, capsys):
    for i in range(3):
        save(tmp_path / 'images' / f'render{i}.png', noise(i))
        save(tmp_path / 'masks' / f'ground{i}.png', square(i + 1))
    images, masks = str(tmp_path / 'images'), str(tmp_path / 'masks')
    with pytest.raises(UsageError, match='no such folder'):
        folder_subject(images, str(tmp_path / 'mistyped'))
    with pytest.raises(UsageError, match='has a mask of the same name .* --img-prefix'):
        folder_subject(images, masks)
    prefixes = dict(img_prefix='render', mask_prefix='ground')
    with pytest.raises(UsageError, match='values 0, 1, 2, 3, .* --classes'):
        folder_subject(images, masks, **prefixes)
    with pytest.raises(UsageError, match='more classes than background and rock'):
        folder_subject(images, masks, label_map={0: 0, 3: 2}, **prefixes)
    summary, _ = survey(folder_subject(images, masks, ['g', 'a', 'b', 'c'], **prefixes))
    assert [c['pixels'] for c in summary['statistics']['all']['classes'][1:]] == [256] * 3
    for arguments in (
        (),
        ('--images', images),
        ('c.py', '--classes', 'a', 'b'),
        ('c.py', '--images', images),
        ('--images', images, '--masks', masks, '--label-map', '255=1'),
    ):
        assert tool('eda.py', *arguments) == 2
    capsys.readouterr()
    assert tool('eda.py', tmp_path / 'mistyped.py', '-o', tmp_path / 'out') == 2
    assert 'error: there is no config' in capsys.readouterr().err
    assert tool('eda.py', repository / 'configs' / 'classifier.py', '-o', tmp_path / 'out') == 2
    assert 'trains no segmentor' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_process_of_its_own_returns_results_and_errors(monkeypatch):
    monkeypatch.delitem(sys.modules, 'torch', raising=False)
    ids = ['a', 'b', 'c']
    assert in_own_process(hashed_split, ids, 'all', 0.2, 0.2) == ids
    with pytest.raises(UsageError, match='some for training'):
        in_own_process(hashed_split, ids, 'all', 0.9, 0.2)

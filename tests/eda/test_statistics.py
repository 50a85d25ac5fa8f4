"""What the data are told to be equals a computation by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import make_moon
from PIL import Image

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.masks import class_weights, count_pixels
from custom_modules.eda.examine import squeezed_overlap
from custom_modules.eda.report import survey
from custom_modules.eda.sources import folder_subject


def noise(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (side, side, 3), dtype=np.uint8)


def look(root: Path, *pairs: tuple[np.ndarray, np.ndarray], **options) -> dict:
    for i, arrays in enumerate(pairs):
        for kind, array in zip(('images', 'masks'), arrays, strict=True):
            (root / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(root / kind / f'{i}.png')
    summary, _ = survey(folder_subject(str(root / 'images'), str(root / 'masks'), **options))
    assert summary['sound'], summary['errors']
    return summary


def test_ceiling_of_columns_and_blocks(tmp_path):
    # halved, the pixel that stays is the right lower one of each 2x2
    vanish, fill, blocks = (np.zeros((128, 128), np.uint8) for _ in range(3))
    vanish[:, ::2] = fill[:, 1::2] = blocks[10:20, 30:60] = 1
    alone = [squeezed_overlap(mask, (64, 64), 2)[1].tolist() for mask in (vanish, fill, blocks)]
    assert alone == [[0, 0, 8192], [8192, 16384, 8192], [300, 300, 300]]
    pairs = [(noise(i, 128), mask) for i, mask in enumerate((vanish, fill, blocks))]
    squeezed = look(tmp_path, *pairs)['statistics']['all']['squeezed']
    # pixels of all masks together; of the background 8192 of the first, none of the second, all of the third are right
    background, rock = squeezed['64x64']['classes']
    assert rock['dice'] == pytest.approx(100 * 2 * 8492 / (16684 + 16684))
    assert rock['iou'] == pytest.approx(100 * 8492 / (16684 + 16684 - 8492))
    assert background['dice'] == pytest.approx(100 * 2 * (8192 + 16084) / (16384 + 16084 + 8192 + 8192 + 16084))
    assert squeezed['64x64']['mDice'] == pytest.approx((rock['dice'] + background['dice']) / 2)
    for size in ('128x128', '256x256'):
        assert squeezed[size]['mDice'] == squeezed[size]['mIoU'] == 100


def test_ceiling_leaves_out_what_is_ignored():
    mask = np.zeros((4, 4), np.uint8)
    mask[:, 2:] = 1
    mask[3, 3] = 255
    # the ignored pixel is the one that is kept of its block: the block's others are left out too
    assert squeezed_overlap(mask, (2, 2), 2).tolist() == [[8, 8, 8], [4, 4, 4]]


def test_objects_and_pixel_shares_of_planted_squares(tmp_path):
    first, second = np.zeros((2, 64, 64), np.uint8)
    first[:4, :4] = 1
    # touching at a corner: one object
    first[4:8, 4:8] = 1
    first[20:30, 20:30] = 1
    # of another class: an object of its own, though it touches
    first[30:32, 20:30] = 2
    second[0, 0] = 1
    classes = ['ground', 'small', 'large']
    found = look(tmp_path, (noise(0), first), (noise(1), second), classes=classes)
    found = found['statistics']['all']
    small, large = found['objects']
    assert (small['count'], large['count']) == (3, 1)
    # 1, 32 and 100 pixels
    assert small['pixels'] == {
        '0': 1, '5': pytest.approx(4.1), '25': 16.5, '50': 32, '75': 66,
        '95': pytest.approx(93.2), '100': 100,
    }  # fmt: skip
    assert small['per_image_mean'] == 1.5 and large['per_image']['100'] == 1
    edges, counts = [1, 2, 4, 8, 16, 32, 64, 128], [1, 0, 0, 0, 0, 1, 1]
    assert small['histogram'] == dict(edges=edges, counts=counts)
    assert large['histogram']['counts'] == [0, 0, 0, 0, 1]
    assert small['at_load_size'] is None
    assert [c['pixels'] for c in found['classes']] == [8192 - 153, 133, 20]
    assert found['classes'][1]['share_percent'] == pytest.approx(100 * 133 / 8192)
    assert [c['masks'] for c in found['classes']] == [2, 2, 1]


def test_a_config_weighs_as_class_pixels_does(tool, tmp_path, repository, monkeypatch, capsys):
    root = make_moon(tmp_path / 'moon', 10)
    monkeypatch.setenv('MOON_DATA', str(root))
    monkeypatch.chdir(tmp_path)
    config = repository / 'configs' / 'unet_baseline.py'
    chosen = [f'{part}_dataloader.dataset.load_size=(16,16)' for part in ('train', 'val', 'test')]
    assert tool('eda.py', config, '--cfg-options', *chosen) == 0
    out = tmp_path / 'work_dirs' / 'eda' / 'unet_baseline'
    summary = json.loads((out / 'eda_summary.json').read_text())
    counts = count_pixels(MoonDataset(str(root), 'train'))
    weights = class_weights(('background', 'rock'), counts)
    assert summary['class_weights'] == weights and weights['reason'] is None
    train = summary['statistics']['train']
    assert [c['pixels'] for c in train['classes']] == counts.sum(axis=0).tolist()
    assert summary['same_parts'] == {'test': 'val'}
    assert summary['statistics']['all parts']['pairs'] == 10
    # the config's own size is among those that masks are squeezed to, and objects are a 16th there
    assert list(train['squeezed']) == ['64x64', '128x128', '256x256', '16x16']
    (rock,) = train['objects']
    for level, value in rock['pixels'].items():
        assert rock['at_load_size']['pixels'][level] == pytest.approx(value / 16, abs=1e-3)
    assert f'class_weight=[{weights["positive_weight"]:.3g}]' in capsys.readouterr().out

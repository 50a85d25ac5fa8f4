"""The public lunar set: colours become classes, and nothing is lost or replaced unseen."""

import re

import cv2
import numpy as np
import pytest
from pictures import complaint, contents, dates, load, save
from sklearn.metrics import jaccard_score

from custom_modules.preparation.lunar import MoonClasses
from custom_modules.utils.errors import UsageError
from tools.prepare_data import main

GROUND, SKY, SMALL, LARGE = range(4)


def scene():
    """Known classes: sky on top, one large rock, small ones down to the front."""
    classes = np.zeros((64, 96), np.uint8)
    classes[:16] = SKY
    classes[10:30, 40:66] = LARGE
    for row, column, side in ((24, 12, 4), (34, 30, 6), (46, 70, 10), (50, 10, 12)):
        classes[row : row + side, column : column + side] = SMALL
    return classes


def soften(classes, fade=False):
    """A mask like the public ones, in RGB: anti-aliased, and fading with distance on request."""
    sharp = MoonClasses.paint(np.kron(classes, np.ones((4, 4), np.uint8)))
    soft = cv2.resize(cv2.GaussianBlur(sharp, (0, 0), 2), (96, 64), interpolation=cv2.INTER_AREA)
    if fade:
        rocks = np.linspace(0.25, 1.2, 64).clip(0, 1)[:, None]
        soft = np.stack([soft[..., 0] * rocks, soft[..., 1] * rocks, soft[..., 2] * 0.88], -1)
    return soft.astype(np.uint8)[..., ::-1]


@pytest.fixture
def src(tmp_path):
    """A source: 0001 has both masks (ground is a decoy), 0002 only ground, 0003 none."""
    folder = tmp_path / 'src'
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    for number in (1, 2, 3):
        save(folder / f'images/render/render000{number}.png', picture)
    save(folder / 'images/clean/clean0001.png', soften(scene()))
    save(folder / 'images/ground/ground0001.png', soften(np.full((64, 96), SKY, np.uint8)))
    save(folder / 'images/ground/ground0002.png', soften(scene(), fade=True))
    save(folder / 'real_moon_images/PCAM7.png', picture)
    save(folder / 'real_moon_images/g_PCAM7.png', soften(scene()))
    return folder


def lunar(src, out, *options):
    return main(['lunar', str(src), '--out', str(out), *options])


@pytest.mark.parametrize('fade', [False, True])
def test_known_classes_are_recovered(fade):
    truth = scene()
    assert np.array_equal(MoonClasses.read_colours(MoonClasses.paint(truth)), truth)
    found = MoonClasses.read_colours(soften(truth, fade)[..., ::-1])
    # Every pixel farther than one from a border must be right; at borders no foreign class comes.
    kernel = np.ones((3, 3), np.uint8)
    assert (found == truth)[cv2.erode(truth, kernel) == cv2.dilate(truth, kernel)].all()
    assert min(jaccard_score(truth.ravel(), found.ravel(), average=None)) > 0.75
    with pytest.raises(UsageError, match='black and white'):
        MoonClasses.read_colours(np.stack([MoonClasses.rocks(truth)] * 3, axis=2))


def test_layout_naming_and_values(src, tmp_path, capsys):
    out = tmp_path / 'out'
    assert lunar(src, out) == 0
    folders = binary, multi = out / 'MOON_SEGMENTATION_BINARY', out / 'MOON_SEGMENTATION_MULTICLASS'
    assert len(contents(out / 'MOON_PHOTOS_BINARY')) == len(contents(out / 'MOON_PHOTOS_MULTICLASS')) == 2
    # 0003 has no mask
    assert len(contents(binary)) == len(contents(multi)) == 4 and len(contents(out)) == 12
    for name in ('0001', '0002'):
        picture = f'images/render/render{name}.png'
        assert all((folder / picture).read_bytes() == (src / picture).read_bytes() for folder in folders)
        rocks, classes = (load(folder / f'images/ground/ground{name}.png') for folder in folders)
        # clean is preferred: the decoy of 0001 is all sky
        assert set(np.unique(classes)) == {GROUND, SKY, SMALL, LARGE}
        assert np.array_equal(rocks, np.where(classes >= SMALL, 255, 0))
    assert 'Left out 1 pictures without a mask: render0003.png' in capsys.readouterr().out
    before, missing = dates(out), binary / 'images/ground/ground0001.png'
    assert lunar(src, out) == 0 and dates(out) == before
    # what an interrupted run lacks is written, but nothing beside a picture that has changed, which is replaced where it is asked for
    missing.unlink()
    assert lunar(src, out) == 0 and missing.exists() and len(before.items() - dates(out).items()) == 1
    missing.unlink()
    save(src / picture, np.zeros((64, 96, 3), np.uint8))
    assert lunar(src, out) == 2 and not missing.exists() and 'exists with other content' in complaint(capsys)
    assert lunar(src, out, '--overwrite') == 0 and missing.exists()
    assert all((folder / picture).read_bytes() == (src / picture).read_bytes() for folder in folders)


def test_one_kind_of_mask_without_its_pebbles(src, tmp_path):
    stones = np.kron(scene(), np.ones((8, 8), np.uint8))
    pebbles = stones.copy()
    # one is thin, one small
    pebbles[480:490, 640:740] = pebbles[440:454, 500:514] = SMALL
    for name, pixels in (('render', stones), ('ground', MoonClasses.paint(pebbles)[..., ::-1])):
        save(src / f'images/{name}/{name}0002.png', pixels)
    out = tmp_path / 'out'
    assert lunar(src, out, '--only', 'ground', '--without-pebbles') == 0
    masks = out / 'MOON_SEGMENTATION_BINARY/images/ground'
    assert sorted(path.name for path in masks.iterdir()) == ['ground0001.png', 'ground0002.png']
    # of 0001 images/clean is not looked at: the decoy is all sky
    assert not load(masks / 'ground0001.png').any()
    found, wanted = load(masks / 'ground0002.png') > 0, stones >= SMALL
    # but for the corners, which a disc rounds, and in their places
    assert not (found & ~wanted).any() and (found & wanted).sum() / wanted.sum() > 0.97
    assert np.array_equal(load(out / 'MOON_SEGMENTATION_MULTICLASS/images/ground/ground0002.png'), pebbles)


def test_a_list_of_names(src, tmp_path, capsys):
    names, out = tmp_path / 'names.txt', tmp_path / 'out'
    names.write_text('0002\n')
    assert lunar(src, out, '--names', str(names)) == 0
    assert {path.split('/')[-1] for path in contents(out)} == {'render0002.png', 'ground0002.png'}
    names.write_text('0001\nPCAM7\n0009\n')
    assert lunar(src, tmp_path / 'other', '--names', str(names)) == 2 and not (tmp_path / 'other').exists()
    assert re.search(r'lacks 1 of the 3 pictures .* \(0009\)', complaint(capsys))


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), 'cut short'),
        (lambda path: save(path, load(path)[:32]), 'is 96x32 pixels, but .* 96x64'),
    ],
)
def test_bad_pictures_are_refused_before_anything_is_written(src, tmp_path, capsys, damage, words):
    damage(src / 'images/clean/clean0001.png')
    assert lunar(src, tmp_path / 'out') == 2
    assert re.search(words, complaint(capsys)) and not (tmp_path / 'out').exists()

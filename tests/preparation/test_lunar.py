"""The public lunar set: colours become classes, and nothing is lost or replaced unseen."""

import cv2
import numpy as np
import pytest

from custom_modules.preparation.lunar import MoonClasses
from custom_modules.utils.errors import UsageError
from tools.prepare_data import main

GROUND, SKY, SMALL, LARGE = range(4)


def scene():
    """Return known classes, (64, 96): sky on top, one large rock, small ones down to the front."""
    classes = np.zeros((64, 96), np.uint8)
    classes[:16] = SKY
    classes[10:30, 40:66] = LARGE
    for row, column, side in ((24, 12, 4), (34, 30, 6), (46, 70, 10), (50, 10, 12)):
        classes[row : row + side, column : column + side] = SMALL
    return classes


def soften(classes, fade=False):
    """Return a mask like the public ones: anti-aliased, and fading with distance on request."""
    sharp = MoonClasses.paint(np.kron(classes, np.ones((4, 4), np.uint8)))
    soft = cv2.resize(cv2.GaussianBlur(sharp, (0, 0), 2), (96, 64), interpolation=cv2.INTER_AREA)
    if fade:
        rocks = np.linspace(0.25, 1.2, 64).clip(0, 1)[:, None]
        soft = np.stack([soft[..., 0] * rocks, soft[..., 1] * rocks, soft[..., 2] * 0.88], -1)
    return soft.astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def load(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def src(tmp_path):
    """Return a source: 0001 has both masks (ground is a decoy), 0002 only ground, 0003 none."""
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
    found, truth = MoonClasses.read_colours(soften(scene(), fade)), scene()
    # Every pixel farther than one from a border must be right; at borders no foreign class comes.
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(truth, kernel) == cv2.dilate(truth, kernel)
    assert (found == truth)[inner].all()
    for kind in range(4):
        both, either = (found == kind) & (truth == kind), (found == kind) | (truth == kind)
        assert both.sum() / either.sum() > 0.75, f'class {kind}'


def test_pure_colours_are_recovered_exactly():
    assert np.array_equal(MoonClasses.read_colours(MoonClasses.paint(scene())), scene())


def test_a_grey_mask_is_refused_rather_than_misread():
    rocks = MoonClasses.rocks(scene())
    for mask in (rocks, cv2.merge([rocks] * 3)):
        with pytest.raises(UsageError, match='black and white'):
            MoonClasses.read_colours(mask)


def test_layout_naming_and_values(src, tmp_path, capsys):
    out = tmp_path / 'out'
    assert lunar(src, out) == 0
    binary, multi = out / 'MOON_SEGMENTATION_BINARY', out / 'MOON_SEGMENTATION_MULTICLASS'
    for name in ('0001', '0002'):
        original = (src / f'images/render/render{name}.png').read_bytes()
        for folder in (binary, multi):
            assert (folder / f'images/render/render{name}.png').read_bytes() == original
        rocks = load(binary / f'images/ground/ground{name}.png')
        classes = load(multi / f'images/ground/ground{name}.png')
        assert rocks.shape == classes.shape == (64, 96)
        assert set(np.unique(classes)) == {GROUND, SKY, SMALL, LARGE}
        assert np.array_equal(rocks, np.where(classes >= SMALL, 255, 0))
    assert load(out / 'MOON_PHOTOS_BINARY/images/ground/groundPCAM7.png').max() == 255
    assert load(out / 'MOON_PHOTOS_MULTICLASS/images/ground/groundPCAM7.png').max() == LARGE
    assert (out / 'MOON_PHOTOS_BINARY/images/render/renderPCAM7.png').is_file()
    text = capsys.readouterr().out
    assert '1 from images/clean, 1 from images/ground; photographs: 1' in text
    assert 'Left out 1 pictures without a mask: render0003.png' in text
    assert not list(out.rglob('*0003*')) + list(out.rglob('*.unfinished'))


def test_clean_is_preferred(src, tmp_path):
    assert lunar(src, tmp_path / 'out') == 0
    ground = tmp_path / 'out/MOON_SEGMENTATION_MULTICLASS/images/ground/ground0001.png'
    assert (load(ground) == SKY).mean() < 0.5, 'the decoy in images/ground is all sky'


def test_one_kind_of_mask_without_its_pebbles(src, tmp_path):
    large = np.ones((8, 8), np.uint8)
    stones = np.kron(scene(), large)
    pebbles = stones.copy()
    # one is thin, one small
    pebbles[480:490, 640:740] = pebbles[440:454, 500:514] = SMALL
    for name, pixels in (('render', stones), ('ground', MoonClasses.paint(pebbles))):
        save(src / f'images/{name}/{name}0002.png', pixels)
    out = tmp_path / 'out'
    assert lunar(src, out, '--only', 'ground', '--without-pebbles') == 0
    masks = out / 'MOON_SEGMENTATION_BINARY/images/ground'
    assert [path.name for path in masks.iterdir()] == ['ground0002.png']
    found, wanted = load(masks / 'ground0002.png') > 0, stones >= SMALL
    assert not (found & ~wanted).any()
    # but for the corners, which a disc rounds, and in their places
    assert (found & wanted).sum() / wanted.sum() > 0.97
    classes = load(out / 'MOON_SEGMENTATION_MULTICLASS/images/ground/ground0002.png')
    assert np.array_equal(classes, pebbles)


def test_clean_masks_keep_what_they_label(src, tmp_path):
    for name, options in (('as_they_are', ()), ('without', ('--without-pebbles',))):
        assert lunar(src, tmp_path / name, '--only', 'clean', *options) == 0
    masks = [
        load(tmp_path / name / 'MOON_SEGMENTATION_BINARY/images/ground/ground0001.png')
        for name in ('as_they_are', 'without')
    ]
    assert np.array_equal(*masks)


def test_second_run_keeps_identical_files(src, tmp_path):
    out = tmp_path / 'out'
    assert lunar(src, out) == 0
    before = {p: p.stat().st_mtime_ns for p in out.rglob('*.png')}
    assert lunar(src, out) == 0
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob('*.png')}


@pytest.mark.parametrize(
    'name',
    [
        'MOON_SEGMENTATION_BINARY/images/ground/ground0002.png',
        'MOON_SEGMENTATION_MULTICLASS/images/ground/ground0001.png',
        'MOON_SEGMENTATION_MULTICLASS/images/render/render0002.png',
    ],
)
def test_a_different_file_is_not_replaced_unasked(src, tmp_path, capsys, name):
    out = tmp_path / 'out'
    other = np.full((64, 96), 9, np.uint8)
    save(out / name, other)
    assert lunar(src, out) == 2
    complaint = capsys.readouterr().err
    assert name in complaint.replace('\\', '/')
    assert complaint.count('\n') == 1
    assert [p for p in out.rglob('*') if p.is_file()] == [out / name], 'nothing else is written'
    assert np.array_equal(load(out / name), other)
    assert lunar(src, out, '--overwrite') == 0
    assert not np.array_equal(load(out / name), other)


def test_replacing_one_picture_leaves_its_twin_alone(src, tmp_path):
    out = tmp_path / 'out'
    assert lunar(src, out) == 0
    changed = src / 'images/render/render0001.png'
    save(changed, np.zeros((64, 96, 3), np.uint8))
    assert lunar(src, out) == 2
    assert lunar(src, out, '--overwrite') == 0
    for kind in ('BINARY', 'MULTICLASS'):
        copy = out / f'MOON_SEGMENTATION_{kind}/images/render/render0001.png'
        assert copy.read_bytes() == changed.read_bytes()


def break_size(src):
    save(src / 'images/ground/ground0002.png', np.zeros((32, 96, 3), np.uint8))
    return 'ground0002.png is 96x32 pixels'


def break_mask(src):
    (src / 'images/ground/ground0002.png').write_bytes(b'no picture at all, but long enough')
    return 'ground0002.png is not a PNG'


def break_end(src):
    path = src / 'images/render/render0002.png'
    path.write_bytes(path.read_bytes()[:-200])
    return 'render0002.png is cut short'


@pytest.mark.parametrize('damage', [break_size, break_mask, break_end])
def test_a_bad_file_is_named_before_anything_is_written(src, tmp_path, capsys, damage):
    sentence = damage(src)
    assert lunar(src, tmp_path / 'out') == 2
    complaint = capsys.readouterr().err
    assert sentence in complaint
    assert complaint.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_a_source_of_grey_masks_only(tmp_path, capsys):
    save(tmp_path / 'src/images/render/render0001.png', np.zeros((8, 8, 3), np.uint8))
    save(tmp_path / 'src/images/ground/ground0001.png', np.eye(8, dtype=np.uint8) * 255)
    assert lunar(tmp_path / 'src', tmp_path / 'out') == 2
    assert 'black-and-white masks only' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_sources_without_anything(tmp_path, capsys):
    assert lunar(tmp_path / 'nowhere', tmp_path / 'out') == 2
    assert 'is not a folder' in capsys.readouterr().err
    assert lunar(tmp_path, tmp_path / 'out') == 2
    assert 'neither images/render' in capsys.readouterr().err
    save(tmp_path / 'images/render/render0001.png', np.zeros((8, 8, 3), np.uint8))
    assert lunar(tmp_path, tmp_path / 'out') == 2
    assert 'no mask' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_the_synthetic_set_converts_without_a_loss(tmp_path):
    made, out = tmp_path / 'made', tmp_path / 'out'
    options = ['--count', '2', '--size', '96x64', '--workers', '1']
    assert main(['synthetic', '--out', str(made), *options]) == 0
    assert lunar(made, out) == 0
    for name in ('0001', '0002'):
        converted = load(out / f'MOON_SEGMENTATION_BINARY/images/ground/ground{name}.png')
        assert np.array_equal(converted, load(made / f'images/ground/ground{name}.png'))
        classes = load(out / f'MOON_SEGMENTATION_MULTICLASS/images/ground/ground{name}.png')
        painted = MoonClasses.paint(classes)
        assert np.array_equal(painted, load(made / f'images/clean/clean{name}.png'))

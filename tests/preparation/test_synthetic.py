"""The synthetic lunar set: exact masks, the same bytes for a seed, no mixing, safe resuming."""

import os
from unittest import mock

import cv2
import numpy as np
import pytest
from pictures import complaint, contents, dates, load

from custom_modules.preparation.synthetic.camera import SceneStyle
from custom_modules.preparation.synthetic.renderer import MoonRenderer, Scene
from tools.prepare_data import main


def synthetic(out, *options):
    return main(['synthetic', '--out', str(out), '--size', '96x64', '--workers', '1', *options])


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp('made') / 'set'
    assert synthetic(out, '--count', '6') == 0
    return out


def test_masks_hold_pure_colours_and_agree(made):
    assert len(contents(made, '*.png')) == 18
    kinds = set()
    for number in range(1, 7):
        rgb, ground, render = (load(made / f'images/{k}/{k}{number:04d}.png') for k in ('clean', 'ground', 'render'))
        assert render.shape == rgb.shape == (64, 96, 3)
        kinds |= {tuple(colour) for colour in rgb.reshape(-1, 3).tolist()}
        assert np.array_equal(ground, np.where(rgb[..., 1:].any(axis=2), 255, 0))
    # ground, sky, small and large rocks all occur in six pictures
    assert kinds == {(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)}


def test_same_bytes_whatever_the_workers_and_the_count(made, tmp_path):
    out = tmp_path / 'two'
    assert synthetic(out, '--count', '3', '--workers', '2') == 0
    expected, found = contents(made, '*.png'), contents(out, '*.png')
    assert len(found) == 9 and found.items() <= expected.items()
    # a picture varies with its number and with the seed
    assert len(set(contents(made, 'render*.png').values())) == 6
    assert synthetic(out, '--count', '1', '--seed', '1', '--overwrite') == 0
    assert len(contents(out, '*.png')) == 3 and not contents(out, '*.png').items() & expected.items()


def test_resume_restores_identical_bytes_and_clears_leftovers(made, capsys, monkeypatch):
    before, old = contents(made, '*.png'), dates(made)
    assert synthetic(made, '--count', '6') == 0
    assert 'nothing to do' in capsys.readouterr().out and dates(made) == old
    missing = made / 'images' / 'clean' / 'clean0002.png'
    missing.unlink()
    leftover = made / 'images' / 'render' / '.render0003.png.99.unfinished'
    leftover.write_bytes(b'half a picture')
    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', mock.Mock(side_effect=KeyboardInterrupt))
        assert synthetic(made, '--count', '6') == 130 and not missing.exists()
    assert synthetic(made, '--count', '6') == 0
    assert contents(made, '*.png') == before and not leftover.exists()


def test_another_set_is_refused_and_other_things_are_never_touched(made, tmp_path, capsys):
    before = contents(made)
    assert synthetic(made, '--count', '7', '--seed', '1', '--size', '64x64', '--style', 'photo') == 2
    said, differing = complaint(capsys), ('count 6', 'seed 0', 'size 96x64', 'style mixed', '--overwrite')
    assert all(words in said for words in differing) and contents(made) == before
    (tmp_path / 'images' / 'render').mkdir(parents=True)
    (tmp_path / 'images' / 'render' / 'render0001.png').write_bytes(b'precious')
    assert synthetic(tmp_path, '--count', '1', '--overwrite') == 2
    assert 'is not empty' in complaint(capsys)
    assert contents(tmp_path) == {'images/render/render0001.png': b'precious'}


def test_only_rocks_above_the_limit_are_labelled():
    dropped = 0
    for number in (1, 3, 4):
        (picture, classes), (same, fewer) = (MoonRenderer(0, (96, 64), 'render', n).render(number) for n in (0, 900))
        assert np.array_equal(picture, same)
        count, parts = cv2.connectedComponents((classes >= 2).astype(np.uint8))
        # 900 pixels of 720x480 are 16 of 96x64.
        small = [part for part in range(1, count) if (parts == part).sum() < 16]
        assert np.array_equal(fewer, np.where(np.isin(parts, small), 0, classes))
        dropped += len(small)
    assert dropped


def test_a_rover_in_the_picture_is_no_rock(monkeypatch):
    draw = SceneStyle._draw_photo
    monkeypatch.setattr(SceneStyle, '_draw_photo', lambda own, rng: (draw(own, rng), setattr(own, 'hardware', True)))
    covered = seen = 0
    for number in range(1, 9):
        scene = Scene(np.random.default_rng([3, number]), (96, 64), 'photo')
        hidden = scene.hardware.covered
        assert not scene.mask()[hidden].any() and not hidden[:30].any()
        covered += hidden.mean()
        # or it stands beside the picture
        if hidden.any():
            # and it is seen: its own light, in whatever unit the ground has
            own = scene.hardware.light[hidden]
            light = MoonRenderer(3, (96, 64), 'photo')._light(scene, np.random.default_rng(0))[hidden]
            np.testing.assert_allclose(light * own.max(), own * light.max(), rtol=1e-4, atol=1e-6)
            seen += own.max() > 0 and light.max() > 0
    assert covered / 8 > 0.01 and seen > 4

"""Windows cover a picture without a seam, at a memory that follows the picture and not the network."""

import tracemalloc

import cv2
import numpy as np
import pytest
from bright_rocks import ROCK, BrightRocks, bright_detector

from custom_modules.deploy.tiling import STEPS, labels_of, map_of_tiles, strips, window_starts
from custom_modules.utils.errors import UsageError


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('overlap', [0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize('length', [1, 63, 64, 65, 128, 300])
def test_windows_cover_the_side_and_overlap(length, overlap):
    starts = window_starts(length, 64, overlap)
    assert starts[0] == 0 and starts[-1] == max(0, length - 64)
    steps = np.diff(starts)
    assert (steps > 0).all() and (steps <= np.ceil(64 * (1 - overlap))).all()


@pytest.mark.parametrize('shape', [(64, 64), (65, 200), (150, 97), (20, 300), (1, 1)])
@pytest.mark.parametrize('batch_size', [1, 5, 64])
def test_every_pixel_gets_its_own_probability(shape, batch_size):
    picture, model = noise(*shape), BrightRocks()
    found = map_of_tiles(model, picture, 0.25, batch_size)
    assert found.dtype == np.uint16 and max(model.batches) <= batch_size
    np.testing.assert_allclose(found[0] / STEPS, picture.mean(axis=2) / 255, atol=1.1 / STEPS)


def test_no_seam_where_windows_disagree():
    class Disagreeing(BrightRocks):
        def __call__(self, images):
            # the first window says 0, the second 1
            values = np.arange(len(images), dtype=np.float32)[:, None, None, None]
            return np.broadcast_to(values, (len(images), 1, 64, 64))

    row = map_of_tiles(Disagreeing(), noise(64, 96), overlap=0.5)[0, 30] / STEPS
    assert row[0] == 0 and row[-1] == 1
    assert np.diff(row).min() >= 0 and np.diff(row).max() < 0.05


def test_memory_follows_the_picture_not_the_network():
    def peak(rows: int) -> int:
        picture = np.zeros((rows, 512, 3), np.uint8)
        tracemalloc.start()
        map_of_tiles(BrightRocks(), picture)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    more = (peak(4096) - peak(512)) / (3584 * 512)
    # the map's two bytes per pixel, and not the four of float32
    assert 1.9 < more < 3, more


@pytest.mark.parametrize('size', [(300, 700), (40, 33), (64, 64), (64, 200)])
def test_a_map_is_enlarged_as_opencv_does_it(size):
    found = (np.random.default_rng(0).random((2, 64, 64)) * STEPS).astype(np.uint16)
    rows = [part for _, part in strips(found, size)]
    assert len(rows) == -(-size[1] // 256)
    for channel, enlarged in zip(found, np.concatenate(rows, axis=1), strict=True):
        expected = cv2.resize(
            channel.astype(np.float32) / STEPS, size, interpolation=cv2.INTER_LINEAR
        )
        np.testing.assert_allclose(enlarged, expected, atol=1e-3)


def test_a_map_of_the_pictures_size_stays():
    found = np.random.default_rng(0).integers(0, STEPS, (1, 2999, 3), dtype=np.uint16)
    rows = [part for _, part in strips(found, (3, 2999))]
    np.testing.assert_allclose(np.concatenate(rows, axis=1) * STEPS, found, atol=0.01)


def test_labels_follow_threshold_or_the_largest():
    found = (np.array([[[0.2, 0.5, 0.8]]]) * STEPS).round().astype(np.uint16)
    assert labels_of(found, (3, 1), 0.6).tolist() == [[0, 0, 1]]
    assert labels_of(found, (3, 1), 0.1).tolist() == [[1, 1, 1]]
    three = np.array([[[1, 5, 2]], [[7, 1, 2]], [[2, 2, 9]]], np.uint16)
    assert labels_of(three, (3, 1), None).tolist() == [[1, 0, 2]]


def test_modes_and_scales(monkeypatch):
    picture = noise(128, 200)
    whole = bright_detector(monkeypatch)
    assert whole.prepare(picture).seen.shape == (64, 64, 3)
    tile = bright_detector(monkeypatch, mode='tile')
    assert tile.prepare(picture).seen.shape == (64, 100, 3)
    as_it_is = bright_detector(monkeypatch, mode='tile', scale=1)
    found = as_it_is(picture)
    assert found.mask.shape == found.probability.shape == (128, 200)
    assert (found.mask == (picture.mean(axis=2) / 255 > 0.5)).mean() > 0.999


def test_the_mirror_image_is_averaged(monkeypatch):
    class LeftOnly(BrightRocks):
        def __call__(self, images):
            found = super().__call__(images)
            found[..., 32:] = 0
            return found

    picture = np.full((64, 64, 3), 255, np.uint8)
    found = bright_detector(monkeypatch, LeftOnly(), tta=True)(picture)
    np.testing.assert_allclose(found.probability, 0.5, atol=1e-4)


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        (dict(mode='half'), "the mode is 'whole' or 'tile', got 'half'"),
        (dict(scale=2), "belongs to mode 'tile'"),
        (dict(mode='tile', scale=0), 'a number above 0'),
        (dict(overlap=1), 'from 0 to below 1'),
        (dict(threshold=50), 'a probability from 0 to 1'),
    ],
)
def test_what_does_not_fit_is_said(monkeypatch, settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        bright_detector(monkeypatch, **settings)


def test_what_a_model_cannot_do_is_said(monkeypatch):
    classifier = BrightRocks(ROCK.__class__(**vars(ROCK) | dict(task='classification')))
    with pytest.raises(UsageError, match='is a classifier'):
        bright_detector(monkeypatch, classifier)
    several = BrightRocks(ROCK.__class__(**vars(ROCK) | dict(threshold=None)))
    with pytest.raises(UsageError, match='a threshold is for one channel'):
        bright_detector(monkeypatch, several, threshold=0.4)


@pytest.mark.parametrize(
    'picture', [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)]
)
def test_an_array_that_is_no_picture(monkeypatch, picture):
    with pytest.raises(UsageError, match='a picture is RGB'):
        bright_detector(monkeypatch)(picture)

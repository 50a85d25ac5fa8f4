"""Windows cover a picture without a seam, at a memory that follows the picture and not the network."""

import cv2
import numpy as np
import pytest
from bright_rocks import BrightRocks, bright_detector

from custom_modules.deploy.tiling import STEPS, labels_of, map_of_tiles, strips, window_starts


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

    row = map_of_tiles(Disagreeing(), noise(64, 96), 0.5, 16)[0, 30] / STEPS
    assert row[0] == 0 and row[-1] == 1
    assert np.diff(row).min() >= 0 and np.diff(row).max() < 0.05


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


def test_labels_follow_threshold_or_the_largest():
    found = (np.array([[[0.2, 0.5, 0.8]]]) * STEPS).round().astype(np.uint16)
    assert labels_of(found, (3, 1), 0.6).tolist() == [[0, 0, 1]]
    assert labels_of(found, (3, 1), 0.1).tolist() == [[1, 1, 1]]
    three = np.array([[[1, 5, 2]], [[7, 1, 2]], [[2, 2, 9]]], np.uint16)
    assert labels_of(three, (3, 1), None).tolist() == [[1, 0, 2]]


def test_the_mirror_image_is_averaged(monkeypatch):
    class LeftOnly(BrightRocks):
        def __call__(self, images):
            found = super().__call__(images)
            found[..., 32:] = 0
            return found

    picture = np.full((64, 64, 3), 255, np.uint8)
    found = bright_detector(monkeypatch, LeftOnly(), tta=True)(picture)
    np.testing.assert_allclose(found.probability, 0.5, atol=1e-4)

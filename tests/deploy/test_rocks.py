"""Rocks are counted and outlined: COCO's own drawing gives the mask back."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from custom_modules.deploy.rocks import find_rocks, outlined, outlines
from custom_modules.deploy.tiling import STEPS


def drawn(polygons: list, shape: tuple[int, int]) -> np.ndarray:
    return coco.decode(coco.merge(coco.frPyObjects(polygons, *shape))).astype(bool)


def areas(rng: np.random.Generator, smooth: bool) -> np.ndarray:
    shape = rng.integers(2, 40, 2)
    if smooth:
        waves = cv2.GaussianBlur(rng.random(shape).astype(np.float32), (0, 0), 2)
        return (waves > np.median(waves)).astype(np.uint8)
    return (rng.random(shape) < rng.uniform(0.2, 0.95)).astype(np.uint8)


@pytest.mark.parametrize('smooth', [True, False])
def test_exact_outlines_give_the_area_back(smooth):
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(60):
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(areas(rng, smooth))
        for area in range(1, count):
            x, y, w, h, _ = boxes[area].tolist()
            part = labels[y : y + h, x : x + w] == area
            (polygon,) = outlines(part, (x, y))
            assert (drawn([polygon], labels.shape) == (labels == area)).all()
            checked += 1
    assert checked > 60


def test_a_hole_is_cut_out():
    ring = np.ones((7, 9), bool)
    ring[2:4, 3:6] = False
    ring[5, 1] = False
    (polygon,) = outlines(ring)
    assert (drawn([polygon], ring.shape) == ring).all()


def test_a_tolerance_saves_points():
    disc = np.zeros((200, 200), np.uint8)
    cv2.circle(disc, (100, 100), 80, 1, -1)
    exact, (fewer,) = outlines(disc.view(bool))[0], outlines(disc.view(bool), tolerance=1)
    assert len(fewer) < len(exact) / 4
    again = drawn([fewer], disc.shape)
    assert (again & disc.view(bool)).sum() / (again | disc.view(bool)).sum() > 0.98


def test_rocks_are_listed():
    labels = np.zeros((20, 30), np.uint8)
    labels[0:2, 4:8] = 1
    labels[10:14, 10:13] = 1
    labels[15:17, 20:25] = 2
    found = np.full((3, 20, 30), 0.1 * STEPS, np.uint16)
    found[1, 10:14, 10:13] = 0.8 * STEPS
    found[1, 10, 10:13] = 0.4 * STEPS
    first, second, third = find_rocks(labels, found, ('ground', 'rock', 'boulder'))
    assert [rock.number for rock in (first, second, third)] == [1, 2, 3]
    assert (first.box, first.area, first.touches_border) == ((4, 0, 4, 2), 8, True)
    assert (second.box, second.area, second.touches_border) == ((10, 10, 3, 4), 12, False)
    assert second.centre == (11, 11.5) and second.probability == pytest.approx(0.7, abs=1e-4)
    assert (third.name, third.label) == ('boulder', 2)
    assert find_rocks(labels * 0, found, ('ground', 'rock', 'boulder')) == []


def test_one_channel_counts_corners_as_neighbours():
    labels = np.eye(6, dtype=np.uint8)
    found = np.full((1, 6, 6), 0.9 * STEPS, np.uint16)
    (rock,) = find_rocks(labels, found, ('background', 'rock'), tolerance=0)
    assert rock.area == 6 and rock.probability == pytest.approx(0.9, abs=1e-4)
    assert (drawn(rock.polygons, labels.shape) == labels).all()


def test_outlines_are_drawn_and_large_pictures_shrunk():
    image, labels = np.full((50, 60, 3), 90, np.uint8), np.zeros((50, 60), np.uint8)
    labels[10:20, 10:20] = 1
    picture = outlined(image, labels, ((0, 0, 0), (230, 159, 0)))
    assert (picture[10, 10:20] == (230, 159, 0)).all() and (picture[14, 14] == 90).all()
    assert (image == 90).all()
    wide = outlined(
        np.zeros((10, 5000, 3), np.uint8), np.zeros((10, 5000), np.uint8), ((0, 0, 0),) * 2
    )
    assert wide.shape == (8, 4096, 3)

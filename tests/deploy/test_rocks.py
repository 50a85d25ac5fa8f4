"""Rocks are counted and outlined: COCO's own drawing gives the mask back."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from custom_modules.deploy.rocks import find_rocks, outlines
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

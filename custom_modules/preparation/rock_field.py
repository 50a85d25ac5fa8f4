"""The stones of a synthetic scene: how many, how big, where."""

import numpy as np

from custom_modules.preparation.pebbles import Pebbles
from custom_modules.preparation.rock import Rock


class RockField:
    """Stones strewn over the ground that the camera sees.

    Sizes on the picture follow a power law: many pebbles, few boulders. Pebbles are texture of the
    ground (`Pebbles`); what is larger is a body with an exact outline. As in the public set, the
    border between small and large is one of true size, not of pixels: a far boulder of ten pixels
    is large, a near stone of a thousand is small.

    Args:
        rng: Random generator.
        scene: The `Scene`, whose ground is known and on which nothing stands yet.

    Attributes:
        rocks: The bodies.
        pebbles: The rest, a `Pebbles`.
    """

    # Radius in metres from which a rock is large, and radius in pixels of 720 from which it is a body.
    LARGE, BODY = 0.42, 4.5
    USUAL, MOST = 38, 120
    # How often a boulder stands right before the lens.
    NEAR = 0.25

    def __init__(self, rng, scene):
        self._rng, self._scene = rng, scene
        self._body = self.BODY * max(scene.size) / 720
        self.rocks = []
        number = min(
            rng.poisson(self.USUAL * scene.look.rocks * np.exp(rng.normal(0, 0.7))), self.MOST
        )
        steep = rng.uniform(1.15, 1.9)
        radii = self._body * (1 - rng.random(number)) ** (-1 / steep)
        rows, columns = scene.ground_pixels(rng, number, rng.uniform(0, 0.8), patchy=False)
        widest = 0.11 * max(scene.size)
        for row, column, radius in zip(rows, columns, np.minimum(radii, widest), strict=False):
            self._place(row, column, radius)
        self._boulders(rng)
        self.pebbles = Pebbles(rng, scene, self._body)

    def _boulders(self, rng):
        # A few pictures show one huge stone from near by; boulders come in groups: one broke from
        # the next.
        for _ in range(rng.poisson(0.4)):
            radius = max(self._scene.size) * np.exp(rng.uniform(np.log(0.025), np.log(0.1)))
            if rng.random() < 0.35:
                radius *= 2.8
            rows, columns = self._scene.ground_pixels(self._rng, 1, 0.2, patchy=False)
            for row, column in zip(rows, columns, strict=True):
                for _ in range(1 + rng.poisson(0.8)):
                    self._place(row, column, radius)
                    row = row + int(rng.normal(0, 0.5 * radius))
                    column = column + int(rng.normal(0, 2.2 * radius))
                    radius *= rng.uniform(0.3, 0.9)
                    if radius < self._body:
                        break
        if self._scene.look.goal or rng.random() < self.NEAR:
            self._near_boulder(rng)

    def _near_boulder(self, rng):
        # It stands right before the lens and fills up to half of the picture, as a rover's goals do. It is
        # hardly brighter than the ground, and rougher: only its faces, cracks and outline tell.
        goal = self._scene.look.goal
        radius = max(self._scene.size) * rng.uniform(*((0.15, 0.5) if goal else (0.1, 0.34)))
        # Most of the ground is too far away for a stone of that size.
        rows, columns = self._scene.ground_pixels(self._rng, 8, 0.0, patchy=False)
        before = len(self.rocks)
        for row, column in zip(rows, columns, strict=True):
            if len(self.rocks) == before:
                self._place(row, column, radius)
        for rock in self.rocks[before:]:
            rock.albedo = np.float32(np.exp(rng.normal(self._scene.look.boulder, 0.25)))
            rock.cracked, rock.texture = True, np.exp(rng.uniform(np.log(0.2), np.log(3.0)))
            rock.blotched = rng.uniform(0.02, 0.3)
            rock.ragged *= 0.5

    def _place(self, row, column, pixels):
        scene, rng = self._scene, self._rng
        width, height = scene.size
        if not (0 <= row < height and 0 <= column < width) or scene.owner[row, column] != -1:
            return
        ahead = float(scene.camera.depth[row, column])
        radius = pixels * ahead / scene.camera.focal
        # Nothing stands on the lens, and no stone is a hill.
        if radius > min(0.45 * ahead, 9.0):
            return
        x = float(scene.camera.across[column]) * ahead
        z = float(scene.camera.up[row]) * ahead + scene.camera.altitude
        facets = 10 if pixels < 8 else 14 if pixels < 30 else 20
        rock = Rock(rng, (x, ahead, z), radius, radius >= self.LARGE, facets)
        rock.albedo = np.float32(scene.look.stone * np.exp(rng.normal(0, 0.18)))
        rock.pixels = pixels
        # Half buried, some more, some less.
        rock.centre[2] += np.float32(rock.half_height * rng.uniform(-0.35, 0.6))
        self.rocks.append(rock)
        # A second lump makes a stone that is not convex.
        if pixels > 1.5 * self._body and rng.random() < 0.4:
            bearing, apart = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.5, 0.9)
            where = rock.centre + np.array([np.cos(bearing), np.sin(bearing), -0.2]) * apart
            lump = Rock(rng, where, radius * rng.uniform(0.45, 0.85), rock.large, facets)
            lump.albedo, lump.pixels = rock.albedo, pixels
            self.rocks.append(lump)

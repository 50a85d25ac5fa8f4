"""The rocks of a synthetic scene: how many, how big, where."""

import numpy as np

from custom_modules.preparation.rock import Rock


class RockField:
    """Rocks strewn over the part of the ground that the camera sees.

    Sizes follow a power law: many pebbles, few boulders. As in the public set, the border between
    small and large is one of true size, not of pixels: a far boulder of ten pixels is large, a near
    stone of a thousand is small.

    Args:
        rng: Random generator.
        terrain: The ground, a `Terrain`.
        camera: The `Camera`.
    """

    RINGS = (1.4, 2.8, 5.6, 11, 22, 45, 90, 180)
    SMALLEST, LARGEST_SMALL = 0.035, 0.42
    MOST_PER_RING = 90

    def __init__(self, rng, terrain, camera):
        self._rng, self._camera = rng, camera
        density = np.exp(rng.normal(np.log(0.11), 1.0))
        steep = rng.uniform(1.2, 1.8)
        spots = []
        for near, far in zip(self.RINGS, self.RINGS[1:], strict=False):
            spots += self._strew(near, far, density, steep)
        spots += self._boulders()
        # All heights in one look-up: it is the cost of a call that counts, not of a point.
        x, y = np.array([spot[:2] for spot in spots], np.float32).reshape(-1, 2).T
        ground = terrain.heights(x, y)
        self.rocks = [self._place(*spot, z) for spot, z in zip(spots, ground, strict=True)]

    def _strew(self, near, far, density, steep):
        rng, camera = self._rng, self._camera
        spread = camera.size[0] / 2 / camera.focal * 1.1
        # A stone of a few pixels at most is left to the grain of the ground.
        smallest = max(self.SMALLEST, 1.8 * near / camera.focal)
        if smallest >= self.LARGEST_SMALL:
            return []
        area = spread * (far**2 - near**2)
        number = rng.poisson(min(density * area * (smallest / 0.1) ** -steep, self.MOST_PER_RING))
        ahead = np.sqrt(rng.uniform(near**2, far**2, number))
        across = rng.uniform(-spread, spread, number) * ahead
        radius = smallest * (1 - rng.random(number)) ** (-1 / steep)
        kept = radius < np.minimum(self.LARGEST_SMALL, 0.12 * ahead)
        rows = np.stack([across, ahead, radius], -1)[kept]
        return [(*row, False) for row in rows.tolist()]

    def _boulders(self):
        rng, camera = self._rng, self._camera
        spread = camera.size[0] / 2 / camera.focal
        spots = []
        for _ in range(rng.poisson(2.1)):
            ahead = np.exp(rng.uniform(np.log(6), np.log(190)))
            across = rng.uniform(-1.05, 1.05) * spread * ahead
            # Boulders come in groups: one broke from the next.
            for _ in range(1 + rng.poisson(0.8)):
                radius = min(0.5 * (1 - rng.random()) ** (-1 / 1.7), 0.125 * ahead, 5.0)
                spots.append((across, ahead, max(radius, self.LARGEST_SMALL), True))
                across += rng.normal(0, 3.2 * radius)
                ahead = max(ahead + rng.normal(0, 3.2 * radius), 4.0)
        return spots

    def _place(self, across, ahead, radius, large, ground):
        pixels = radius / ahead * self._camera.focal
        facets = 10 if pixels < 4 else 14 if pixels < 20 else 26
        rock = Rock(self._rng, (across, ahead, ground), radius, large, facets)
        # Half buried, some more, some less.
        rock.centre[2] += np.float32(rock.half_height * self._rng.uniform(-0.15, 0.55))
        return rock

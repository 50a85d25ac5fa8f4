"""One synthetic lunar scene: its geometry, before any light."""

import numpy as np

from custom_modules.preparation.camera import Camera
from custom_modules.preparation.rock_field import RockField
from custom_modules.preparation.terrain import Terrain


class Scene:
    """What stands where, and which surface every pixel sees.

    Args:
        rng: Random generator; together with `size` it decides everything.
        size: Width and height of the picture in pixels.

    Attributes:
        depth: Distance ahead in metres per pixel, (height, width), infinite in the sky.
        owner: Index into `rocks` per pixel, -1 on the ground, -2 in the sky.
        sun: Unit vector towards the sun.
    """

    def __init__(self, rng, size):
        self.size = size
        # Half a tile texel per picture column is enough: the finest grain follows the pixels.
        detail = int(np.clip(2 ** np.ceil(np.log2(max(size) / 2)), 128, 512))
        self.terrain = Terrain(rng, detail)
        focal, altitude = rng.uniform(0.75, 1.25), np.exp(rng.normal(np.log(1.5), 0.35))
        sky_share = rng.beta(1.7, 6.8)
        self.camera = Camera(self.terrain, size, focal, altitude, sky_share)
        self.sun = self._sun(rng)
        self.rocks = RockField(rng, self.terrain, self.camera).rocks
        self.depth = self.camera.depth.copy()
        self.owner = np.where(np.isinf(self.depth), -2, -1)
        for index, rock in enumerate(self.rocks):
            self._draw(index, rock)

    def mask(self):
        """Return the exact classes, (height, width) uint8: 0 ground, 1 sky, 2 small, 3 large."""
        kinds = np.array([3 if rock.large else 2 for rock in self.rocks] + [1, 0], np.uint8)
        return kinds[self.owner]

    def visible_rocks(self):
        """Yield every rock that can be seen, with the rows and columns of its pixels."""
        rows, columns = np.nonzero(self.owner >= 0)
        owners = self.owner[rows, columns]
        order = np.argsort(owners, kind='stable')
        indices, starts = np.unique(owners[order], return_index=True)
        # No rock at all: split still returns one, empty part.
        for index, pixels in zip(indices, np.split(order, starts[1:]), strict=False):
            yield self.rocks[index], (rows[pixels], columns[pixels])

    def _sun(self, rng):
        # Low, and seldom right behind the camera, where every shadow hides behind its stone.
        # Seldom straight ahead either: then every stone shows its black side.
        bearing = np.pi * rng.beta(2.4, 1.8) * rng.choice([-0.9, 0.9])
        height = np.radians(rng.uniform(10, 48))
        level = np.cos(height)
        return np.array([np.sin(bearing) * level, np.cos(bearing) * level, np.sin(height)])

    def _draw(self, index, rock):
        rows, columns = self.camera.window(*rock.bounds())
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        up, across = self.camera.up[rows], self.camera.across[columns]
        met = rock.meet(across, up, self.camera.altitude)
        nearer = met < self.depth[rows, columns]
        self.depth[rows, columns][nearer] = met[nearer]
        self.owner[rows, columns][nearer] = index

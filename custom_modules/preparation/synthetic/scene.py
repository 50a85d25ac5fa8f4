"""A scene: what stands in it."""

import cv2
import numpy as np

from custom_modules.preparation.synthetic.camera import Camera, SceneStyle
from custom_modules.preparation.synthetic.clutter import Hardware, RoverTrack, ScreenNoise
from custom_modules.preparation.synthetic.rocks import RockField
from custom_modules.preparation.synthetic.terrain import Terrain


class Scene:
    """What stands where, and which surface every pixel sees.

    Args:
        rng: Random generator; together with the other arguments it decides everything.
        size: Width and height of the picture in pixels.
        style: A style of `SceneStyle`.

    Attributes:
        depth: Distance ahead in metres per pixel, (height, width), infinite in the sky.
        owner: Index into `rocks` per pixel, -1 on the ground, -2 in the sky, -3 on the `hardware`.
        hardware: The part of the rover in the picture, or None.
        sun: Unit vector towards the sun.
    """

    # Pixels of a picture of 720x480, in which the least area of a labelled rock is counted.
    REFERENCE = 720 * 480

    def __init__(self, rng, size, style='mixed'):
        self.size = size
        self.style = SceneStyle(rng, style)
        # Half a tile texel per picture column is enough: the finest grain follows the pixels.
        detail = int(np.clip(2 ** np.ceil(np.log2(max(size) / 2)), 128, 512))
        chosen = self.style
        self.terrain = Terrain(rng, detail, chosen.relief, chosen.patches, chosen.grit)
        self.camera = Camera(self.terrain, size, chosen.focal, chosen.altitude, chosen.sky_share)
        self.sun = chosen.sun
        self.noise = ScreenNoise(rng, size)
        self.depth = self.camera.depth.copy()
        self.owner = np.where(np.isinf(self.depth), -2, -1)
        field = RockField(rng, self)
        self.rocks, self.pebbles = field.rocks, field.pebbles
        self.track = self._track(rng) if chosen.tracks else None
        for index, rock in enumerate(self.rocks):
            self._draw(index, rock)
        self.hardware = Hardware(rng, self.noise, size) if chosen.hardware else None
        if self.hardware:
            self.owner[self.hardware.covered] = -3

    def ground_pixels(self, rng, number, far, patchy):
        """Draw pixels of the ground at random.

        Args:
            rng: Random generator.
            number: How many to draw; fewer come back where the picture shows sky.
            far: Exponent of the distance in the density; 0 is even over the picture.
            patchy: Whether to draw more in some patches than elsewhere.

        Returns:
            Rows and columns, two arrays.
        """
        width, height = self.size
        tries = 4 * number + 8
        rows, columns = rng.integers(0, height, tries), rng.integers(0, width, tries)
        depth = self.camera.depth[rows, columns]
        ground = np.isfinite(depth)
        weight = np.where(ground, np.minimum(depth, 150), 0) ** far * ground
        if patchy:
            # Wavelengths follow the row: ground far away is seen at a slant.
            cloud = self.noise.layer(80 * width / 720)[rows, columns]
            weight = weight * np.exp(1.1 * cloud)
        # The share that is kept is decided by the picture's own mean, never by chance alone.
        usual = weight[ground].mean() if ground.any() else 1
        kept = np.nonzero(rng.random(tries) * 3 * usual < weight)[0][:number]
        return rows[kept], columns[kept]

    def mask(self, min_rock=0):
        """Return the exact classes, (height, width) uint8: 0 ground, 1 sky, 2 small, 3 large.

        Args:
            min_rock: Least area of a labelled rock, or of a group of rocks that touch in the picture,
                in pixels of a picture of 720x480 (it scales with the picture); smaller ones are
                ground. 0 labels all bodies.
        """
        kinds = np.array([3 if rock.large else 2 for rock in self.rocks] + [0, 1, 0], np.uint8)
        classes = kinds[self.owner]
        stony = (self.owner >= 0).astype(np.uint8)
        _, parts, table, _ = cv2.connectedComponentsWithStats(stony, connectivity=8)
        least = min_rock * self.size[0] * self.size[1] / self.REFERENCE
        small = table[:, cv2.CC_STAT_AREA] < least
        small[0] = False
        classes[small[parts]] = 0
        return classes

    def visible_rocks(self):
        """Yield every rock that can be seen, with the rows and columns of its pixels."""
        rows, columns = np.nonzero(self.owner >= 0)
        owners = self.owner[rows, columns]
        order = np.argsort(owners, kind='stable')
        indices, starts = np.unique(owners[order], return_index=True)
        # No rock at all: split still returns one, empty part.
        for index, pixels in zip(indices, np.split(order, starts[1:]), strict=False):
            yield self.rocks[index], (rows[pixels], columns[pixels])

    def _track(self, rng):
        rows, columns = self.ground_pixels(rng, 1, 0, patchy=False)
        return RoverTrack(rng, float(self.depth[rows[0], columns[0]])) if rows.size else None

    def _draw(self, index, rock):
        rows, columns = self.camera.window(*rock.bounds())
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        up, across = self.camera.up[rows], self.camera.across[columns]
        # A ragged outline, which no cut by planes has.
        ragged = self.noise.layer(0.5 * rock.pixels)[rows, columns] * np.float32(0.6)
        ragged = ragged + self.noise.layer(0.15 * rock.pixels)[rows, columns] * np.float32(0.4)
        swell = ragged * np.float32(rock.ragged * rock.radius)
        met = rock.meet(across, up, self.camera.altitude, swell)
        nearer = met < self.depth[rows, columns]
        self.depth[rows, columns][nearer] = met[nearer]
        self.owner[rows, columns][nearer] = index

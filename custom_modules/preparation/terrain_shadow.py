"""Shadows that the ground casts on itself and on rocks."""

import cv2
import numpy as np


class TerrainShadow:
    """Exact sunlight test over grids that are turned towards the sun.

    On a line towards the sun a point is in shadow if a sample nearer to the sun rises over the ray;
    a running maximum of the height, sheared by the sun's elevation, answers that for all points at
    once. Four nested grids, each about four times as large and as coarse as the last, follow the
    size of a pixel on the ground.

    Args:
        terrain: The ground, a `Terrain`.
        sun: Unit vector towards the sun (x, y, z).
        spread: Tangent of half the horizontal field of view.
        side: Samples per grid side.
    """

    REACH = (11.0, 48.0, 220.0, 1200.0)

    def __init__(self, terrain, sun, spread, side):
        level = np.hypot(sun[0], sun[1])
        self._toward = np.float32(sun[0] / level), np.float32(sun[1] / level)
        self._fall = np.float32(sun[2] / level)
        self._grids = [self._grid(terrain, reach, spread, side) for reach in self.REACH]

    def light(self, x, y, z):
        """Return how much of the sun reaches points.

        Args:
            x: Positions in metres, a 2-D float32 array.
            y: Positions ahead in metres, same shape.
            z: Heights in metres, same shape.

        Returns:
            0 (shadow) to 1 (sun), same shape.
        """
        toward = x * self._toward[0] + y * self._toward[1]
        aside = y * self._toward[0] - x * self._toward[1]
        sheared = z - toward * self._fall
        result = np.ones_like(x)
        nearer = 0.0
        for reach, (texture, origin, texel) in zip(self.REACH, self._grids, strict=True):
            column = (toward - origin[0]) / texel
            row = (aside - origin[1]) / texel
            roof = cv2.remap(
                texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                borderValue=-1e6,
            )  # fmt: skip
            # The edge is as soft as the grid is coarse; seen from nearer, a coarser grid only
            # adds far hills, so it must not darken what a finer grid has judged.
            slack = np.where(y < nearer, texel * 0.9, texel * 0.3).astype(np.float32)
            result = np.minimum(result, np.clip(1.1 + (sheared - roof) / slack, 0, 1))
            nearer = reach * 0.9
        return result

    def _grid(self, terrain, reach, spread, side):
        corners_x = np.array([0, -spread * reach, spread * reach])
        corners_y = np.array([0, reach, reach])
        toward = corners_x * self._toward[0] + corners_y * self._toward[1]
        aside = corners_y * self._toward[0] - corners_x * self._toward[1]
        # What stands outside the view, on the sun's side, still throws its shadow into it.
        length = max(np.ptp(toward) + 0.5 * reach, np.ptp(aside))
        texel = length / (side - 1)
        steps = (np.arange(side) * texel).astype(np.float32)
        origin = np.float32(toward.min()), np.float32(aside.min())
        a, b = np.meshgrid(origin[0] + steps, origin[1] + steps)
        x = a * self._toward[0] - b * self._toward[1]
        y = a * self._toward[1] + b * self._toward[0]
        sheared = terrain.heights(x, y, clods=texel < 0.3) - a * self._fall
        roof = np.maximum.accumulate(sheared[:, ::-1], axis=1)[:, ::-1]
        # One sample further on: a point must not shade itself.
        return np.concatenate([roof[:, 1:], roof[:, -1:] - 1e3], axis=1), origin, np.float32(texel)

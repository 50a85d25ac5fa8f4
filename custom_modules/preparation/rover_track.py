"""The wheel marks of a rover that has passed."""

import numpy as np


class RoverTrack:
    """Two parallel bands along a wide circle, pressed into the ground by cleated wheels.

    Args:
        rng: Random generator.
        distance: Distance ahead in metres that the track crosses.
    """

    GAUGE, WIDTH, CLEAT = 0.75, 0.11, 0.09

    def __init__(self, rng, distance):
        self._radius = np.exp(rng.uniform(np.log(4), np.log(60)))
        bearing = rng.uniform(0, 2 * np.pi)
        self._x = np.cos(bearing) * self._radius
        self._y = distance + np.sin(bearing) * self._radius
        self._depth = rng.uniform(0.2, 0.5)
        self._dark = rng.uniform(0.72, 0.95)

    def press(self, x, y, footprint, slope, albedo):
        """Press the marks into the ground.

        Args:
            x: Positions in metres (height, width).
            y: Positions ahead in metres, same shape.
            footprint: Size of a pixel in metres, same shape.
            slope: Slope of the ground along y, same shape, changed in place.
            albedo: Brightness, same shape, changed in place.
        """
        dx, dy = x - np.float32(self._x), y - np.float32(self._y)
        off = np.hypot(dx, dy) - np.float32(self._radius)
        near = np.abs(np.abs(off) - np.float32(self.GAUGE)) < self.WIDTH
        near &= footprint < self.WIDTH
        arc = np.arctan2(dy[near], dx[near]) * np.float32(self._radius / self.CLEAT * 2 * np.pi)
        seen = np.clip(np.float32(self.CLEAT / 3) / footprint[near], 0, 1)
        slope[near] += np.float32(self._depth) * np.sin(arc) * seen
        albedo[near] *= np.float32(self._dark)

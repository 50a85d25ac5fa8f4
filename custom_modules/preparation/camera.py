"""The camera of a synthetic scene and what it sees of the ground."""

import numpy as np


class Camera:
    """A level pinhole camera over (0, 0) that looks along +y.

    Looking up or down is a shift of the lens, not a tilt: verticals stay vertical, so each picture
    column sees one vertical slice of the ground and is solved exactly by a running maximum.

    Args:
        terrain: The ground, a `Terrain`.
        size: Width and height of the picture in pixels.
        focal: Focal length in lengths of the picture's longer side.
        altitude: Height of the lens over the ground in metres.
        sky_share: Wanted share of the picture above the skyline, up to 1; below 0, the skyline lies
            that many heights of the picture over its upper edge.
    """

    NEAREST, FARTHEST = 0.4, 1600.0

    def __init__(self, terrain, size, focal, altitude, sky_share):
        width, height = size
        self.size = size
        self.focal = focal * max(size)
        columns = (np.arange(width) + 0.5 - width / 2) / self.focal
        self.across = columns.astype(np.float32)
        samples = int(np.clip(2.2 * height, 260, 960))
        path = np.linspace(0, 1, samples) ** 1.2
        depth = (self.NEAREST * (self.FARTHEST / self.NEAREST) ** path).astype(np.float32)
        ahead = np.broadcast_to(depth[:, None], (samples, width))
        ground = terrain.heights(self.across[None, :] * depth[:, None], np.ascontiguousarray(ahead))
        here = np.zeros(1, np.float32)
        self.altitude = float(terrain.heights(here, here)[0]) + altitude
        rise = (ground - np.float32(self.altitude)) / depth[:, None]
        skyline = np.maximum.accumulate(rise, axis=0)
        # Row of the level direction, such that the skyline cuts the picture as wanted.
        self.level_row = self._aim(skyline[-1], max(sky_share, 1e-3)) + min(sky_share, 0.0) * height
        rows = (self.level_row - (np.arange(height) + 0.5)) / self.focal
        self.up = rows.astype(np.float32)
        self.depth = self._first_hits(depth, rise, skyline)

    def positions(self, depth):
        """Return x, y, z in metres of what every pixel sees at `depth` (height, width)."""
        x = self.across[None, :] * depth
        z = self.up[:, None] * depth + np.float32(self.altitude)
        return x, depth, z

    def window(self, x, y, z):
        """Return the picture rows and columns that hold points, as two slices.

        Args:
            x: Positions in metres, arrays of any one shape.
            y: Positions ahead in metres.
            z: Heights in metres.

        Returns:
            Row slice and column slice, cut to the picture, perhaps empty.
        """
        width, height = self.size
        y = np.maximum(y, 0.3)
        column = x / y * self.focal + width / 2
        row = self.level_row - (z - self.altitude) / y * self.focal
        left, right = np.clip([column.min(), column.max() + 1], 0, width).astype(int)
        top, bottom = np.clip([row.min(), row.max() + 1], 0, height).astype(int)
        return slice(top, bottom), slice(left, right)

    def _aim(self, skyline, sky_share):
        height = self.size[1]
        wanted = sky_share * height
        low, high = -1e5, 1e5
        for _ in range(48):
            middle = (low + high) / 2
            shown = np.clip(middle - skyline.astype(np.float64) * self.focal, 0, height).mean()
            low, high = (middle, high) if shown < wanted else (low, middle)
        return high

    def _first_hits(self, depth, rise, skyline):
        # For each pixel: the first sample that is at least as high as the pixel's ray, then the
        # exact crossing between it and the sample before. Infinity is sky.
        last = len(depth) - 1
        hits = np.empty((len(self.up), len(self.across)), np.float32)
        for column in range(len(self.across)):
            first = np.searchsorted(skyline[:, column], self.up)
            after = np.clip(first, 1, last)
            low, high = rise[after - 1, column], rise[after, column]
            part = np.clip((self.up - low) / np.maximum(high - low, 1e-9), 0, 1)
            near = depth[after - 1]
            hits[:, column] = near + part * (depth[after] - near)
            hits[first > last, column] = np.inf
        return hits

"""One rock: a convex body cut out of random planes."""

import numpy as np


class Rock:
    """A convex polytope, intersected analytically with view rays and sun rays.

    Inside, for facet j and a point p relative to the centre: `normals[j] @ p <= offsets[j]`.

    Args:
        rng: Random generator.
        centre: Position (x, y, z) in metres.
        radius: Mean half width in metres.
        large: Whether the mask calls it a large rock.
        facets: Number of cutting planes.
    """

    def __init__(self, rng, centre, radius, large, facets):
        self.centre = np.asarray(centre, np.float32)
        self.large = large
        stretch = np.exp(rng.normal(0, 0.25, 3))
        stretch[2] *= rng.choice([0.4, 0.7, 0.9, 1.2], p=[0.2, 0.35, 0.3, 0.15])
        self.albedo = np.float32(np.exp(rng.normal(0.38, 0.15)))
        self.ragged = rng.uniform(0.01, 0.055)
        self.texture = rng.uniform(0.3, 1.0)
        self.cracked = bool(rng.random() < 0.5)
        # How much its brightness varies over its faces, as minerals and dust do.
        self.blotched = 0.0
        # Width of the rounded edges between the facets: sharp splinters, worn boulders.
        self._round = np.float32(radius * rng.uniform(0.01, 0.05))
        # Evenly spread directions, jittered: random ones alone leave long spikes.
        steps = np.arange(facets) + 0.5
        lift = 1 - 2 * steps / facets
        turn = steps * np.pi * (3 - np.sqrt(5)) + rng.uniform(0, 2 * np.pi)
        flat = np.sqrt(1 - lift**2)
        directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), lift], -1)
        directions += rng.normal(0, 0.3, directions.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        scale = radius * stretch / np.cbrt(np.prod(stretch))
        yaw = rng.uniform(0, 2 * np.pi)
        normals = directions / (scale / radius)
        turned = normals.copy()
        turned[:, 0] = normals[:, 0] * np.cos(yaw) - normals[:, 1] * np.sin(yaw)
        turned[:, 1] = normals[:, 0] * np.sin(yaw) + normals[:, 1] * np.cos(yaw)
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        offsets = radius * rng.uniform(0.7, 1.0, facets)
        # A few deep cuts leave broad faces, which makes a block out of a ball.
        cuts = rng.choice(facets, int(rng.integers(1, 5)), replace=False)
        offsets[cuts] *= rng.uniform(0.55, 0.85, len(cuts))
        self.normals = (turned / length).astype(np.float32)
        self.offsets = (offsets / length[:, 0]).astype(np.float32)
        self.half_height = float(scale[2])
        self.radius = float(radius)
        # Corners reach a little beyond the ellipsoid that the planes touch.
        self.reach = float(1.4 * scale.max())

    def bounds(self, tail=(0.0, 0.0, 0.0)):
        """Return the corners of a box round the rock, swept along `tail` (metres), as (3, 16)."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1) * self.reach
        here = self.centre[:, None] + signs
        return np.concatenate([here, here + np.asarray(tail)[:, None]], axis=1)

    def meet(self, across, up, altitude, swell=0.0):
        """Intersect the rock with view rays.

        Args:
            across: Rightward parts of the rays per metre ahead, (columns,).
            up: Upward parts of the rays, (rows,).
            altitude: Height of the lens in metres.
            swell: How far all planes move outward, in metres, per ray (rows, columns).

        Returns:
            Distances ahead in metres, (rows, columns); infinite where the ray misses.
        """
        nx, ny, nz = self.normals.T
        lens = np.array([0, 0, altitude], np.float32) - self.centre
        gap = self.offsets - self.normals @ lens
        slope = (nz[:, None] * up + ny[:, None])[:, :, None] + (nx[:, None] * across)[:, None, :]
        near, far = self._span(gap[:, None, None] + swell, slope)
        return np.where((near < far) & (near > 0.2), near, np.float32(np.inf))

    def shades(self, x, y, z, sun):
        """Tell which points lie in the rock's shadow; the arrays are of one shape, in metres."""
        points = np.stack([x - self.centre[0], y - self.centre[1], z - self.centre[2]])
        gap = self.offsets.reshape(-1, *[1] * x.ndim) - self._project(points)
        slope = self.normals @ np.asarray(sun, np.float32)
        near, far = self._span(gap, slope.reshape(-1, *[1] * x.ndim))
        return (near < far) & (far > 0)

    def facing(self, x, y, z):
        """Return unit normals (3, points) at surface points, rounded off along the edges."""
        points = np.stack([x - self.centre[0], y - self.centre[1], z - self.centre[2]])
        depth = self.offsets[:, None] - self._project(points)
        weight = np.exp(-np.maximum(depth, 0) / self._round)
        normal = sum(w[None] * n[:, None] for w, n in zip(weight, self.normals, strict=True))
        return normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-6)

    def _project(self, points):
        # Written out rather than as a matrix product: threads of a BLAS may change the last bit.
        rows = self.normals.reshape(-1, 3, *[1] * (points.ndim - 1))
        return rows[:, 0] * points[0] + rows[:, 1] * points[1] + rows[:, 2] * points[2]

    @staticmethod
    def _span(gap, slope):
        with np.errstate(divide='ignore', invalid='ignore'):
            crossing = gap / slope
        inward = slope < 0
        near = np.where(inward, crossing, -np.inf).max(axis=0)
        far = np.where(inward, np.inf, crossing).min(axis=0)
        return near, far

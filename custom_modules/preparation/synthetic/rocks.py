"""Rocks and pebbles."""

import cv2
import numpy as np


class Rock:
    """A convex polytope at `centre` (x, y, z), of `radius`, its mean half width (metres), cut by so many planes (`facets`).

    Inside, for facet j and a point p relative to the centre: `normals[j] @ p <= offsets[j]`. View rays and sun rays are
    intersected analytically. `large` says whether the mask calls it a large rock.
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
        self.blotched = 0.0  # How much its brightness varies over its faces, as minerals and dust do.
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
        self.reach = float(1.4 * scale.max())  # Corners reach a little beyond the ellipsoid that the planes touch.

    def bounds(self, tail=(0.0, 0.0, 0.0)):
        """Return the corners of a box round the rock, swept along `tail` (metres), as (3, 16)."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1) * self.reach
        here = self.centre[:, None] + signs
        return np.concatenate([here, here + np.asarray(tail)[:, None]], axis=1)

    def meet(self, across, up, altitude, swell=0.0):
        """Intersect the rock with view rays: distances ahead in metres, (rows, columns), infinite where the ray misses.

        Args:
            across: Rightward parts of the rays per metre ahead, (columns,).
            up: Upward parts of the rays, (rows,).
            altitude: Height of the lens in metres.
            swell: How far all planes move outward, in metres, per ray (rows, columns).
        """
        nx, ny, nz = self.normals.T
        gap = self.offsets - self.normals @ (np.array([0, 0, altitude], np.float32) - self.centre)
        slope = (nz[:, None] * up + ny[:, None])[:, :, None] + (nx[:, None] * across)[:, None, :]
        near, far = self._span(gap[:, None, None] + swell, slope)
        return np.where((near < far) & (near > 0.2), near, np.float32(np.inf))

    def shades(self, x, y, z, sun):
        """Tell which points lie in the rock's shadow; the arrays are of one shape, in metres."""
        gap = self.offsets.reshape(-1, *[1] * x.ndim) - self._project(x, y, z)
        slope = self.normals @ np.asarray(sun, np.float32)
        near, far = self._span(gap, slope.reshape(-1, *[1] * x.ndim))
        return (near < far) & (far > 0)

    def facing(self, x, y, z):
        """Return unit normals (3, points) at surface points, rounded off along the edges."""
        weight = np.exp(-np.maximum(self.offsets[:, None] - self._project(x, y, z), 0) / self._round)
        normal = sum(w[None] * n[:, None] for w, n in zip(weight, self.normals, strict=True))
        return normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-6)

    def _project(self, x, y, z):
        # Written out rather than as a matrix product: threads of a BLAS may change the last bit.
        nx, ny, nz = self.normals.T.reshape(3, -1, *[1] * x.ndim)
        return nx * (x - self.centre[0]) + ny * (y - self.centre[1]) + nz * (z - self.centre[2])

    @staticmethod
    def _span(gap, slope):
        with np.errstate(divide='ignore', invalid='ignore'):
            crossing = gap / slope
        inward = slope < 0
        return np.where(inward, crossing, -np.inf).max(axis=0), np.where(inward, np.inf, crossing).min(axis=0)


class Pebbles:
    """Hundreds of faceted pebbles, drawn straight into the picture's normals and brightness.

    Each is a small heap of planes seen from the front, and throws a capsule-shaped shadow over level ground. Neither leaves the
    pixels of the ground: masks do not know of them. From a radius of `largest` pixels on a stone is a body of its own.
    """

    # Radius in pixels of a picture 720 wide.
    SMALLEST = 1.0
    FACETS = 7
    USUAL, MOST = 750, 3000
    LONGEST_SHADOW = 6.0

    def __init__(self, rng, scene, largest):
        self._scene, self._rng = scene, rng
        number = int(min(self.USUAL * scene.style.rubble, self.MOST))
        rows, columns = scene.ground_pixels(rng, number, rng.uniform(0.1, 0.9), patchy=True)
        steep = rng.uniform(1.1, 1.9)
        smallest = self.SMALLEST * max(scene.size) / 720
        radius = smallest * (1 - rng.random(len(rows))) ** (-1 / steep)
        kept = radius < largest
        rows, columns, radius = rows[kept], columns[kept], radius[kept]
        # Far ones first, so that near ones cover them.
        order = np.argsort(-scene.depth[rows, columns], kind='stable')
        self._rows, self._columns = rows[order], columns[order]
        self._radius = radius[order].astype(np.float32)
        self._albedo = (scene.style.stone * np.exp(rng.normal(0, 0.25, len(order)))).astype(np.float32)

    def lay(self, normal, albedo, sun):
        """Draw the pebbles into unit normals (3, height, width), brightness and the share of the sun (height, width), in place."""
        here = sun[self._rows, self._columns]
        edges = np.array([1.0, 2.0, 3.5, 6.0, 12.0, 1e9])
        size = np.searchsorted(edges, self._radius)
        for step in range(len(edges)):
            chosen = np.nonzero((size == step) & (here > 0))[0]
            if chosen.size:
                self._shade(chosen, sun)
        for step in range(len(edges)):
            chosen = np.nonzero(size == step)[0]
            if chosen.size:
                self._draw(chosen, here[chosen], normal, albedo, sun)

    def _window(self, chosen, reach):
        # Pixels around each pebble, (pebbles, side, side), and which of them are ground before it.
        steps = np.arange(-reach, reach + 1)
        rows = self._rows[chosen, None, None] + steps[:, None]
        columns = self._columns[chosen, None, None] + steps[None, :]
        width, height = self._scene.size
        rows, columns = np.broadcast_arrays(rows, columns)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
        inside &= self._scene.owner[rows, columns] == -1
        return rows, columns, inside, steps.astype(np.float32)

    def _shade(self, chosen, sun):
        toward = self._scene.sun
        level = max(float(np.hypot(toward[0], toward[1])), 1e-6)
        away = -toward[:2].astype(np.float32) / np.float32(level)
        length = np.float32(min(0.75 * level / toward[2], self.LONGEST_SHADOW))
        radius = self._radius[chosen, None, None]
        slant = np.abs(self._scene.camera.up[self._rows[chosen]])[:, None, None]
        slant = np.maximum(slant, np.float32(0.12))
        longest = 1 + length * max(abs(away[0]), abs(away[1]) * float(slant.max()))
        reach = int(np.ceil(float(radius.max()) * longest))
        rows, columns, inside, steps = self._window(chosen, reach)
        aside = steps[None, None, :] / radius
        ahead = -(steps[None, :, None] + 0.3 * radius) / (radius * slant)
        along = np.clip(aside * away[0] + ahead * away[1], 0, length)
        gap = np.hypot(aside - along * away[0], ahead - along * away[1])
        wide = 1 - np.float32(0.5) * along / length
        dark = np.clip((wide - gap) * radius * slant + 0.5, 0, 1) * np.minimum(radius, 1)
        dark *= inside
        touched = dark > 0.02
        np.multiply.at(sun, (rows[touched], columns[touched]), 1 - dark[touched])

    def _draw(self, chosen, here, normal, albedo, sun):
        rng, count = self._rng, len(chosen)
        shape = (count, self.FACETS)
        turn = np.arange(self.FACETS) * 2 * np.pi / (self.FACETS - 1)
        turn = turn + rng.uniform(0, 2 * np.pi, (count, 1))
        turn = turn + rng.normal(0, 0.3, shape)
        steep = rng.uniform(0.5, 2.2, shape)
        height = steep * rng.uniform(0.65, 1.15, shape)
        # The last plane is the lid.
        steep[:, -1], height[:, -1] = rng.uniform(0, 0.4, count), rng.uniform(0.35, 0.9, count)
        right = (steep * np.cos(turn)).astype(np.float32)
        up = (steep * np.sin(turn)).astype(np.float32)
        flat = rng.uniform(0.45, 0.95, (count, 1, 1)).astype(np.float32)
        radius = np.maximum(self._radius[chosen, None, None], np.float32(0.75))
        rows, columns, inside, steps = self._window(chosen, int(np.ceil(float(radius.max()) * 1.2)))
        dx, dy = steps[None, None, :] / radius, -steps[None, :, None] / (radius * flat)
        lowest = np.full(rows.shape, np.inf, np.float32)
        facet = np.zeros(rows.shape, np.intp)
        for plane in range(self.FACETS):
            part = (slice(None), plane, None, None)
            level = height.astype(np.float32)[part] - right[part] * dx - up[part] * dy
            lower = level < lowest
            lowest[lower] = level[lower]
            facet[lower] = plane
        # The foot is in the dust.
        inside &= (lowest > 0) & (dy > -0.6)
        which = np.nonzero(inside)[0]
        rows, columns, facet = rows[inside], columns[inside], facet[inside]
        cover = np.minimum(self._radius[chosen][which] / np.float32(0.75), 1) ** 2
        tilt = self._scene.camera.up[self._rows[chosen][which]]
        long = np.sqrt(1 + tilt**2)
        a, b = right[which, facet], up[which, facet]
        facing = np.stack([a, (-b * tilt - 1) / long, (b - tilt) / long])
        facing /= np.sqrt(1 + a**2 + b**2)
        there = (rows, columns)
        normal[(slice(None), *there)] += (facing - normal[(slice(None), *there)]) * cover
        albedo[there] += (self._albedo[chosen][which] - albedo[there]) * cover
        sun[there] += (here[which] - sun[there]) * cover


class RockField:
    """Stones strewn over the ground of a `Scene` on which nothing stands yet: `rocks`, the bodies, and `pebbles`.

    Sizes on the picture follow a power law. Pebbles are texture of the ground; what is larger is a body with an exact outline.
    As in the public set, small and large differ in true size, not in pixels: a far boulder of ten pixels is large.
    """

    # Radius in metres from which a rock is large, and radius in pixels of 720 from which it is a body.
    LARGE, BODY = 0.42, 4.5
    USUAL, MOST = 38, 120
    NEAR = 0.25  # How often a boulder stands right before the lens.

    def __init__(self, rng, scene):
        self._rng, self._scene = rng, scene
        self._body = self.BODY * max(scene.size) / 720
        self.rocks = []
        number = min(rng.poisson(self.USUAL * scene.style.rocks * np.exp(rng.normal(0, 0.7))), self.MOST)
        steep = rng.uniform(1.15, 1.9)
        radii = self._body * (1 - rng.random(number)) ** (-1 / steep)
        rows, columns = scene.ground_pixels(rng, number, rng.uniform(0, 0.8), patchy=False)
        for row, column, radius in zip(rows, columns, np.minimum(radii, 0.11 * max(scene.size)), strict=False):
            self._place(row, column, radius)
        self._boulders(rng)
        self.pebbles = Pebbles(rng, scene, self._body)

    def _boulders(self, rng):
        # a few pictures show one huge stone from near by; boulders come in groups: one broke from the next
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
        if self._scene.style.goal or rng.random() < self.NEAR:
            self._near_boulder(rng)

    def _near_boulder(self, rng):
        # it fills up to half of the picture, hardly brighter than the ground, and rougher: its faces, cracks and outline tell
        radius = max(self._scene.size) * rng.uniform(*((0.15, 0.5) if self._scene.style.goal else (0.1, 0.34)))
        # Most of the ground is too far away for a stone of that size.
        rows, columns = self._scene.ground_pixels(self._rng, 8, 0.0, patchy=False)
        before = len(self.rocks)
        for row, column in zip(rows, columns, strict=True):
            if len(self.rocks) == before:
                self._place(row, column, radius)
        for rock in self.rocks[before:]:
            rock.albedo = np.float32(np.exp(rng.normal(self._scene.style.boulder, 0.25)))
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
        rock.albedo = np.float32(scene.style.stone * np.exp(rng.normal(0, 0.18)))
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


# Of a picture of 720x480: thinner parts go, and areas below the least that 95 % of the areas in `clean` exceed.
WIDTH, AREA = 12, 240


def without_pebbles(rocks):
    """Take thin and small areas out of a binary mask of all stones, so that it labels what a `clean` mask does.

    No scene of the sample has both kinds of mask, so this was judged by eye and by the number of rocks in a picture.
    """
    height, width = rocks.shape
    # odd: OpenCV's opening shifts a mask by a pixel otherwise
    disc = 2 * int(WIDTH * width / 720 / 2) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (disc, disc))
    opened = cv2.morphologyEx(rocks, cv2.MORPH_OPEN, kernel)
    _, parts, table, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    small = table[:, cv2.CC_STAT_AREA] < AREA * height * width / (720 * 480)
    small[0] = False
    return np.where(small[parts], 0, opened).astype(np.uint8)

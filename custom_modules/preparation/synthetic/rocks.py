"""Rocks and pebbles."""

import numpy as np


class Rock:
    """A convex polytope at `centre` (x, y, z) with a mean half width of `radius` metres, bounded by `facets` planes.

    A point p relative to the centre is inside if `normals[j] @ p <= offsets[j]` for every facet j. View rays and sun rays are
    intersected analytically. `large` is whether the mask labels it as a large rock.
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
        self.blotched = 0.0  # how much its brightness varies over its faces, as minerals and dust do
        # width of the rounded edges between the facets: narrow in splinters, wide in worn boulders
        self._round = np.float32(radius * rng.uniform(0.01, 0.05))
        # evenly spread directions with jitter: purely random ones leave long spikes
        steps = np.arange(facets) + 0.5
        lift = 1 - 2 * steps / facets
        turn = steps * np.pi * (3 - np.sqrt(5)) + rng.uniform(0, 2 * np.pi)
        flat = np.sqrt(1 - lift**2)
        directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), lift], -1)
        directions += rng.normal(0, 0.3, directions.shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        scale = radius * stretch / np.cbrt(np.prod(stretch))
        yaw = rng.uniform(0, 2 * np.pi)
        x, y, z = (directions / (scale / radius)).T
        normals = np.stack([x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw), z], -1)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        offsets = radius * rng.uniform(0.7, 1.0, facets)
        # a few deep cuts leave broad faces, which turn the ball into a block
        cuts = rng.choice(facets, int(rng.integers(1, 5)), replace=False)
        offsets[cuts] *= rng.uniform(0.55, 0.85, len(cuts))
        self.normals = (normals / length).astype(np.float32)
        self.offsets = (offsets / length[:, 0]).astype(np.float32)
        self.half_height = float(scale[2])
        self.radius = float(radius)
        self.reach = float(1.4 * scale.max())  # corners lie a little outside the ellipsoid that the planes touch

    def bounds(self, tail=(0.0, 0.0, 0.0)):
        """Return the corners of the rock's bounding box, here and moved by `tail` (metres), as (3, 16)."""
        corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1) * self.reach
        here = self.centre[:, None] + corners
        return np.concatenate([here, here + np.asarray(tail)[:, None]], axis=1)

    def meet(self, across, up, altitude, swell):
        """Intersect the rock with view rays: distances ahead in metres, (rows, columns), infinite where the ray misses.

        Per metre ahead a ray goes `across` (columns,) to the right and `up` (rows,). The lens is at `altitude` metres, and all
        planes move outward by `swell` metres, per ray (rows, columns).
        """
        nx, ny, nz = self.normals.T
        gap = self.offsets - self.normals @ (np.array([0, 0, altitude], np.float32) - self.centre)
        slope = (nz[:, None] * up + ny[:, None])[:, :, None] + (nx[:, None] * across)[:, None, :]
        near, far = self._span(gap[:, None, None] + swell, slope)
        return np.where((near < far) & (near > 0.2), near, np.float32(np.inf))

    def shades(self, x, y, z, sun):
        """Tell which points lie in the rock's shadow; the arrays have the same shape, in metres."""
        gap = self.offsets.reshape(-1, *[1] * x.ndim) - self._project(x, y, z)
        slope = self.normals @ np.asarray(sun, np.float32)
        near, far = self._span(gap, slope.reshape(-1, *[1] * x.ndim))
        return (near < far) & (far > 0)

    def facing(self, x, y, z):
        """Return unit normals (3, points) at surface points, smoothed along the edges."""
        weight = np.exp(-np.maximum(self.offsets[:, None] - self._project(x, y, z), 0) / self._round)
        normal = sum(w[None] * n[:, None] for w, n in zip(weight, self.normals, strict=True))
        return normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-6)

    def _project(self, x, y, z):
        # written out rather than as a matrix product: threads of a BLAS may change the last bit
        nx, ny, nz = self.normals.T.reshape(3, -1, *[1] * x.ndim)
        return nx * (x - self.centre[0]) + ny * (y - self.centre[1]) + nz * (z - self.centre[2])

    @staticmethod
    def _span(gap, slope):
        # where rays enter and leave the polytope: a ray crosses each plane at gap / slope, going inward where slope < 0
        with np.errstate(divide='ignore', invalid='ignore'):
            crossing = gap / slope
        inward = slope < 0
        return np.where(inward, crossing, -np.inf).max(axis=0), np.where(inward, np.inf, crossing).min(axis=0)


class Pebbles:
    """Hundreds of faceted pebbles, drawn directly into the picture's normals and brightness.

    Each is a few planes seen from the front, and casts a capsule-shaped shadow as over level ground. Both cover only ground
    pixels and are not in the mask. Stones with a radius of `largest` pixels or more are rocks instead.
    """

    SMALLEST = 1.0  # radius in pixels of a picture 720 wide
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
        # far ones first, so that near ones cover them
        order = np.argsort(-scene.depth[rows, columns], kind='stable')
        order = order[radius[order] < largest]
        self._rows, self._columns = rows[order], columns[order]
        self._radius = radius[order].astype(np.float32)
        self._albedo = (scene.style.stone * np.exp(rng.normal(0, 0.25, len(order)))).astype(np.float32)

    def lay(self, normal, albedo, sun):
        """Draw the pebbles into unit normals (3, height, width), brightness and the share of the sun (height, width), in place."""
        here = sun[self._rows, self._columns]
        # pebbles of similar size share one window size
        size = np.searchsorted([1.0, 2.0, 3.5, 6.0, 12.0], self._radius)
        groups = [np.nonzero(size == step)[0] for step in np.unique(size)]
        for chosen in groups:
            lit = chosen[here[chosen] > 0]
            if lit.size:
                self._shade(lit, sun)
        for chosen in groups:
            self._draw(chosen, here[chosen], normal, albedo, sun)

    def _window(self, chosen, reach):
        # pixels around each pebble, (pebbles, side, side), and which of them are ground
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
        toward = self._scene.style.sun
        level = float(np.hypot(toward[0], toward[1]))
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
        turn = turn + rng.uniform(0, 2 * np.pi, (count, 1)) + rng.normal(0, 0.3, shape)
        steep = rng.uniform(0.5, 2.2, shape)
        height = steep * rng.uniform(0.65, 1.15, shape)
        # the last plane is the top
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
        # the foot is buried in the dust
        inside &= (lowest > 0) & (dy > -0.6)
        which = np.nonzero(inside)[0]
        rows, columns, facet = rows[inside], columns[inside], facet[inside]
        cover = np.minimum(self._radius[chosen][which] / np.float32(0.75), 1) ** 2
        tilt = self._scene.camera.up[self._rows[chosen][which]]
        long = np.sqrt(1 + tilt**2)
        a, b = right[which, facet], up[which, facet]
        facing = np.stack([a, (-b * tilt - 1) / long, (b - tilt) / long])
        facing /= np.sqrt(1 + a**2 + b**2)
        normal[:, rows, columns] += (facing - normal[:, rows, columns]) * cover
        albedo[rows, columns] += (self._albedo[chosen][which] - albedo[rows, columns]) * cover
        sun[rows, columns] += (here[which] - sun[rows, columns]) * cover


class RockField:
    """Scatters stones over the ground of a `Scene` that has none yet: `rocks`, with an exact outline, and `pebbles`.

    Sizes in the picture follow a power law. As in the public set, small and large rocks differ in true size, not in pixels:
    a distant boulder of ten pixels is large.
    """

    # radius in metres from which a rock is large, and in pixels of a picture 720 wide from which a stone is no pebble
    LARGE, BODY = 0.42, 4.5
    USUAL, MOST = 38, 120
    NEAR = 0.25  # probability of a boulder right in front of the lens

    def __init__(self, rng, scene):
        self._rng, self._scene = rng, scene
        self._smallest = self.BODY * max(scene.size) / 720
        self.rocks = []
        number = min(rng.poisson(self.USUAL * scene.style.rocks * np.exp(rng.normal(0, 0.7))), self.MOST)
        steep = rng.uniform(1.15, 1.9)
        radii = self._smallest * (1 - rng.random(number)) ** (-1 / steep)
        rows, columns = scene.ground_pixels(rng, number, rng.uniform(0, 0.8), patchy=False)
        for row, column, radius in zip(rows, columns, np.minimum(radii, 0.11 * max(scene.size)), strict=False):
            self._place(row, column, radius)
        self._place_boulders(rng)
        if scene.style.shows_boulder or rng.random() < self.NEAR:
            self._place_near_boulder(rng)
        self.pebbles = Pebbles(rng, scene, self._smallest)

    def _place_boulders(self, rng):
        # a few pictures show a huge stone from nearby, often with smaller ones beside it that broke off
        for _ in range(rng.poisson(0.4)):
            radius = max(self._scene.size) * np.exp(rng.uniform(np.log(0.025), np.log(0.1)))
            if rng.random() < 0.35:
                radius *= 2.8
            rows, columns = self._scene.ground_pixels(rng, 1, 0.2, patchy=False)
            for row, column in zip(rows, columns, strict=True):
                for _ in range(1 + rng.poisson(0.8)):
                    self._place(row, column, radius)
                    row = row + int(rng.normal(0, 0.5 * radius))
                    column = column + int(rng.normal(0, 2.2 * radius))
                    radius *= rng.uniform(0.3, 0.9)
                    if radius < self._smallest:
                        break

    def _place_near_boulder(self, rng):
        # it fills up to half of the picture and is hardly brighter than the ground: only faces, cracks and outline show it
        radius = max(self._scene.size) * rng.uniform(*((0.15, 0.5) if self._scene.style.shows_boulder else (0.1, 0.34)))
        # several tries: most of the ground is too far away for a stone of that size
        rows, columns = self._scene.ground_pixels(rng, 8, 0.0, patchy=False)
        before = len(self.rocks)
        for row, column in zip(rows, columns, strict=True):
            if len(self.rocks) == before:
                self._place(row, column, radius)
        for rock in self.rocks[before:]:
            rock.albedo = np.float32(np.exp(rng.normal(self._scene.style.log_boulder_albedo, 0.25)))
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
        # not on the lens, and no larger than a boulder
        if radius > min(0.45 * ahead, 9.0):
            return
        x = float(scene.camera.across[column]) * ahead
        z = float(scene.camera.up[row]) * ahead + scene.camera.altitude
        facets = 10 if pixels < 8 else 14 if pixels < 30 else 20
        rock = Rock(rng, (x, ahead, z), radius, radius >= self.LARGE, facets)
        rock.albedo = np.float32(scene.style.stone * np.exp(rng.normal(0, 0.18)))
        rock.pixels = pixels
        # half buried, some more, some less
        rock.centre[2] += np.float32(rock.half_height * rng.uniform(-0.35, 0.6))
        self.rocks.append(rock)
        # a second lump makes a stone that is not convex
        if pixels > 1.5 * self._smallest and rng.random() < 0.4:
            bearing, apart = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.5, 0.9)
            where = rock.centre + np.array([np.cos(bearing), np.sin(bearing), -0.2]) * apart
            lump = Rock(rng, where, radius * rng.uniform(0.45, 0.85), rock.large, facets)
            lump.albedo, lump.pixels = rock.albedo, pixels
            self.rocks.append(lump)

"""Stones too small to be labelled: texture of the ground, each with a shadow."""

import numpy as np


class Pebbles:
    """Hundreds of faceted pebbles, drawn straight into the picture's normals and brightness.

    Each is a small heap of planes seen from the front, and throws a capsule-shaped shadow over
    level ground. Neither ever leaves the pixels of the ground: masks do not know of them.

    Args:
        rng: Random generator.
        scene: The `Scene`, with its rocks.
        largest: Radius in pixels at which a stone is a body of its own.
    """

    # Radius in pixels of a picture 720 wide.
    SMALLEST = 1.0
    FACETS = 7
    USUAL, MOST = 750, 3000
    LONGEST_SHADOW = 6.0

    def __init__(self, rng, scene, largest):
        self._scene, self._rng = scene, rng
        number = int(min(self.USUAL * scene.look.rubble, self.MOST))
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
        brightness = rng.normal(0, 0.25, len(order))
        self._albedo = (scene.look.stone * np.exp(brightness)).astype(np.float32)

    def lay(self, normal, albedo, sun):
        """Draw the pebbles.

        Args:
            normal: Unit normals (3, height, width), changed in place.
            albedo: Brightness (height, width), changed in place.
            sun: How much of the sun reaches each pixel (height, width), changed in place.
        """
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
        rows, columns, inside, steps = self._window(
            chosen, int(np.ceil(float(radius.max()) * longest))
        )
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
        turn = np.arange(self.FACETS) * 2 * np.pi / (self.FACETS - 1) + rng.uniform(
            0, 2 * np.pi, (count, 1)
        )
        turn = turn + rng.normal(0, 0.3, shape)
        steep = rng.uniform(0.5, 2.2, shape)
        height = steep * rng.uniform(0.65, 1.15, shape)
        # The last plane is the lid.
        steep[:, -1], height[:, -1] = rng.uniform(0, 0.4, count), rng.uniform(0.35, 0.9, count)
        right = (steep * np.cos(turn)).astype(np.float32)
        up = (steep * np.sin(turn)).astype(np.float32)
        flat = rng.uniform(0.45, 0.95, (count, 1, 1)).astype(np.float32)
        radius = np.maximum(self._radius[chosen, None, None], np.float32(0.75))
        reach = int(np.ceil(float(radius.max()) * 1.2))
        rows, columns, inside, steps = self._window(chosen, reach)
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
        bright = self._albedo[chosen][which]
        albedo[there] += (bright - albedo[there]) * cover
        sun[there] += (here[which] - sun[there]) * cover

"""The ground: noise, heights, shadows."""

import cv2
import numpy as np


class NoiseTile:
    """Periodic fractal relief (heights in metres and slopes), optionally with craters.

    The relief is white noise shaped by a power law in the frequency domain, which makes it periodic. It is rotated by a random
    angle, so that the repetitions of several tiles do not align.

    Args:
        pixels, period: Side of the tile in texels and in metres.
        slope: Root mean square slope (rise over run).
        falloff: Exponent of the power spectrum; 4 has the same slope at every scale, higher is smoother.
        band: Lowest and highest spatial frequency, in cycles per tile side.
        craters: Number of craters stamped on the tile.
    """

    def __init__(self, rng, pixels, period, slope, falloff, band, craters=0):
        self.pixels = pixels
        self.texel = period / pixels
        angle = rng.uniform(0, 2 * np.pi)
        self._cos, self._sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        self._offset = rng.uniform(0, pixels, 2).astype(np.float32)
        relief = self._fractal(rng, falloff, band)
        across, down = self._slopes(relief)
        relief *= slope / np.sqrt(np.mean(across**2 + down**2))
        for _ in range(craters):
            self._add_crater(relief, rng)
        self.relief = relief.astype(np.float32)
        self.slopes = np.ascontiguousarray(np.stack(self._slopes(relief), -1), dtype=np.float32)

    def heights(self, x, y):
        """Look up heights, at 1-D or 2-D float32 positions; all in metres."""
        return self._look_up(self.relief, x, y, cv2.INTER_CUBIC)

    def gradients(self, x, y):
        """Look up slopes along the world's x and y axes, at 1-D or 2-D positions in metres."""
        along, across = np.moveaxis(self._look_up(self.slopes, x, y, cv2.INTER_LINEAR), -1, 0)
        # the look-up rotates positions by +angle, so slopes rotate back by -angle
        return along * self._cos + across * self._sin, across * self._cos - along * self._sin

    def _look_up(self, texture, x, y, interpolation):
        if x.ndim == 1:
            # remap takes fewer than 32768 columns: fold a long list of points into rows
            spare = (-x.size) % 4096 if x.size else 4096
            folded = [np.pad(c, (0, spare)).reshape(-1, 4096) for c in (x, y)]
            found = self._look_up(texture, *folded, interpolation)
            return found.reshape(-1, *found.shape[2:])[: x.size]
        # remap holds coordinates as 16-bit integers, so they are wrapped to one period first
        scale = np.float32(1 / self.texel)
        column = (x * self._cos - y * self._sin) * scale + self._offset[0]
        row = (x * self._sin + y * self._cos) * scale + self._offset[1]
        side = np.float32(self.pixels)
        column -= np.floor(column / side) * side
        row -= np.floor(row / side) * side
        return cv2.remap(texture, column, row, interpolation, borderMode=cv2.BORDER_WRAP)

    def _fractal(self, rng, falloff, band):
        n = self.pixels
        spectrum = np.fft.rfft2(rng.standard_normal((n, n)))
        frequency = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :]) * n
        frequency[0, 0] = 1
        # soft cuts: a hard low-pass would leave ripples on the ground
        cut = 1 / (1 + (band[0] / frequency) ** 6) / (1 + (frequency / band[1]) ** 6)
        cut[0, 0] = 0
        return np.fft.irfft2(spectrum * frequency ** (-falloff / 2) * cut, s=(n, n))

    def _slopes(self, relief):
        # across and down
        return [(np.roll(relief, -1, axis) - np.roll(relief, 1, axis)) / (2 * self.texel) for axis in (1, 0)]

    def _add_crater(self, relief, rng):
        # few large, many small; the smallest still spans some texels
        radius = min(4 * (1 - rng.random()) ** (-1 / 1.6), self.pixels / 10)
        depth = radius * self.texel * rng.uniform(0.05, 0.24)
        centre = rng.integers(0, self.pixels, 2)
        reach = int(np.ceil(radius * 2.2))
        steps = np.arange(-reach, reach + 1)
        distance = np.hypot(steps[:, None], steps[None, :]) / radius
        bowl = np.minimum(distance**2 - 1, 0)
        rim = 0.28 * np.exp(-(((distance - 1.05) / 0.28) ** 2))
        relief[np.ix_((centre[0] + steps) % self.pixels, (centre[1] + steps) % self.pixels)] += depth * (bowl + rim)


class Terrain:
    """Height of the ground at any position, as a sum of layers from kilometres to millimetres.

    Axes, in metres: x to the right of the camera, y ahead, z up; the camera stands over (0, 0).

    Args:
        detail: Side of the noise tiles in texels; smaller pictures need less.
        relief: Factor on the slopes of the hills.
        patches: How much rougher than the rest some patches of the ground are; 0 is evenly rough.
        grit: Factor on the roughness at a scale of few pixels; low for smooth dust.
    """

    HILL_WAVES = 9

    def __init__(self, rng, detail, relief, patches, grit):
        # hills are a sum of few long waves: exact at any distance, where a texture would be magnified near the camera
        lengths = np.exp(rng.uniform(np.log(25), np.log(1400), self.HILL_WAVES))
        bearings = rng.uniform(0, 2 * np.pi, self.HILL_WAVES)
        kx, ky = (2 * np.pi / lengths * turn(bearings) for turn in (np.cos, np.sin))
        steepness = 0.05 * relief * np.exp(rng.normal(0, 0.5))
        rise = steepness * rng.uniform(0.3, 1.0, self.HILL_WAVES) * lengths / (2 * np.pi)
        phase = rng.uniform(0, 2 * np.pi, self.HILL_WAVES)
        self._waves = np.stack([kx, ky, rise, phase], -1).astype(np.float32)
        # a tilted plane tilts the skyline; the ground curves downwards up to a distance `_crest`, and hides what is beyond
        self._tilt = rng.normal(0, 0.17) * relief, rng.normal(0.02, 0.08) * relief
        self._crest = np.exp(rng.uniform(np.log(18), np.log(400))) / relief
        rough = np.exp(rng.normal(0.07, 0.25))
        slope, band = 0.11 * rough * np.sqrt(relief), (1.5, detail / 3)
        self._lumps = NoiseTile(rng, detail, 150.0, slope, 4.2, band, craters=detail // 4)
        self._clods = NoiseTile(rng, detail, 8.0, 0.14 * rough, 4.0, (3, detail / 3), craters=detail // 6)
        self._grit, self._patches = np.float32(grit), np.float32(patches)
        self._clod_height = np.float32(self._clods.relief.std())
        self._grain = NoiseTile(rng, detail, float(detail), 0.2 * rough, 3.6, (detail / 24, detail))

    def heights(self, x, y, clods=True):
        """Return ground heights, at 1-D or 2-D float32 positions; all in metres. At a distance `clods` make no difference."""
        total = self._lumps.heights(x, y)
        if clods:
            total += self._clods.heights(x, y)
        total += np.float32(self._tilt[0]) * x + np.float32(self._tilt[1]) * y
        bend = np.hypot(x, y) / np.float32(self._crest)
        # curved downwards up to the crest, and a straight slope beyond it, above which hills may rise
        total -= np.float32(1.5) * (np.minimum(bend, 1) ** 2 + 2 * np.maximum(bend - 1, 0) * np.float32(0.4))
        for kx, ky, rise, phase in self._waves:
            total += rise * np.sin(kx * x + ky * y + phase)
        return total

    def gradients(self, x, y, footprint):
        """Return the ground's slopes along x and y, with grain as fine as a pixel's `footprint` on the ground; all in metres."""
        gx, gy = self._lumps.gradients(x, y)
        cx, cy = self._clods.gradients(x, y)
        # clods smaller than a pixel would be aliased
        seen = np.minimum(np.float32(6 * self._clods.texel) / footprint, 1)
        gx += cx * seen * self._grit + np.float32(self._tilt[0])
        gy += cy * seen * self._grit + np.float32(self._tilt[1])
        for kx, ky, rise, phase in self._waves:
            swing = rise * np.cos(kx * x + ky * y + phase)
            gx += kx * swing
            gy += ky * swing
        fx, fy = self.grain(x, y, footprint)
        if self._patches:
            # they lie where the relief of the clods, enlarged, is high
            height = self._clods.heights(x * np.float32(0.4), y * np.float32(0.4)) / self._clod_height
            rough = 1 + self._patches * np.clip(height - np.float32(0.7), 0, 1.3)
            fx, fy = fx * rough, fy * rough
        return gx + fx * self._grit, gy + fy * self._grit

    def grain(self, x, y, footprint):
        """Return the slopes along x and y of self-similar grain, as fine as a pixel's `footprint`; all in metres."""
        level = np.log2(np.maximum(footprint, 1e-6))
        lower = np.floor(level)
        blend = (level - lower).astype(np.float32)
        size = np.exp2(lower).astype(np.float32)
        ax, ay = self._grain.gradients(x / size, y / size)
        bx, by = self._grain.gradients(x / (2 * size), y / (2 * size))
        return ax + (bx - ax) * blend, ay + (by - ay) * blend


class TerrainShadow:
    """Shadows of the ground, from grids of `side` samples a side that are aligned with the direction of the sun.

    A point is in shadow if the ground nearer to the sun rises above the ray to the sun: a running maximum of the heights,
    sheared by the sun's elevation, tests all points at once. Four nested grids, each about four times as large and coarse as
    the last, follow the size of a pixel on the ground. `spread` is the tangent of half the horizontal field of view.
    """

    REACH = (11.0, 48.0, 220.0, 1200.0)

    def __init__(self, terrain, sun, spread, side):
        level = np.hypot(sun[0], sun[1])
        self._toward = np.float32(sun[0] / level), np.float32(sun[1] / level)
        self._fall = np.float32(sun[2] / level)
        self._grids = [self._grid(terrain, reach, spread, side) for reach in self.REACH]

    def light(self, x, y, z):
        """Return how much of the sun reaches points, 0 (shadow) to 1; positions are 2-D, in metres."""
        toward, aside = self._rotate(x, y)
        sheared = z - toward * self._fall
        result, finer = np.ones_like(x), 0.0
        border = dict(borderMode=cv2.BORDER_CONSTANT, borderValue=-1e6)
        for reach, (texture, origin, texel) in zip(self.REACH, self._grids, strict=True):
            column, row = (toward - origin[0]) / texel, (aside - origin[1]) / texel
            roof = cv2.remap(texture, column, row, cv2.INTER_LINEAR, **border)
            # edges are as soft as the grid is coarse; softer where a finer grid has the answer, and this only adds distant hills
            slack = np.where(y < finer, texel * 0.9, texel * 0.3).astype(np.float32)
            result = np.minimum(result, np.clip(1.1 + (sheared - roof) / slack, 0, 1))
            finer = reach * 0.9
        return result

    def _rotate(self, x, y):
        return x * self._toward[0] + y * self._toward[1], y * self._toward[0] - x * self._toward[1]

    def _grid(self, terrain, reach, spread, side):
        toward, aside = self._rotate(np.array([0, -spread * reach, spread * reach]), np.array([0, reach, reach]))
        # what stands outside the view, on the sun's side, still casts a shadow into it
        length = max(np.ptp(toward) + 0.5 * reach, np.ptp(aside))
        texel = length / (side - 1)
        steps = (np.arange(side) * texel).astype(np.float32)
        origin = np.float32(toward.min()), np.float32(aside.min())
        a, b = np.meshgrid(origin[0] + steps, origin[1] + steps)
        x = a * self._toward[0] - b * self._toward[1]
        y = a * self._toward[1] + b * self._toward[0]
        sheared = terrain.heights(x, y, clods=texel < 0.3) - a * self._fall
        roof = np.maximum.accumulate(sheared[:, ::-1], axis=1)[:, ::-1]
        # moved by one sample: a point must not shade itself
        return np.concatenate([roof[:, 1:], roof[:, -1:] - 1e3], axis=1), origin, np.float32(texel)

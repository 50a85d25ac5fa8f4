"""The ground of a synthetic scene: hills, craters, lumps and grain."""

import numpy as np

from custom_modules.preparation.noise_tile import NoiseTile


class Terrain:
    """Height of the ground at any position, as a sum of layers from kilometres to millimetres.

    Axes, in metres: x to the right of the camera, y ahead, z up; the camera stands over (0, 0).

    Args:
        rng: Random generator.
        detail: Side of the noise tiles in texels; smaller pictures need less.
        relief: Factor on the slopes of the hills.
        patches: How much rougher than the rest some patches of the ground are; 0 is evenly rough.
        grit: Factor on what is rough within a few pixels; dust lies smooth.
    """

    HILL_WAVES = 9

    def __init__(self, rng, detail, relief=1.0, patches=0.0, grit=1.0):
        # Hills are a handful of long waves: smooth, exact, no texture to magnify near the camera.
        lengths = np.exp(rng.uniform(np.log(25), np.log(1400), self.HILL_WAVES))
        bearings = rng.uniform(0, 2 * np.pi, self.HILL_WAVES)
        self._kx = 2 * np.pi / lengths * np.cos(bearings)
        self._ky = 2 * np.pi / lengths * np.sin(bearings)
        steepness = 0.05 * relief * np.exp(rng.normal(0, 0.5))
        self._rise = steepness * rng.uniform(0.3, 1.0, self.HILL_WAVES) * lengths / (2 * np.pi)
        self._phase = rng.uniform(0, 2 * np.pi, self.HILL_WAVES)
        # The plane under everything tilts the skyline; the curvature brings a crest near.
        self._tilt = rng.normal(0, 0.17) * relief, rng.normal(0.02, 0.08) * relief
        crest = np.exp(rng.uniform(np.log(18), np.log(400))) / relief
        self._curvature = 3.0 / crest**2
        self._crest = crest
        rough = np.exp(rng.normal(0.07, 0.25))
        self._lumps = NoiseTile(
            rng,
            detail,
            150.0,
            0.11 * rough * np.sqrt(relief),
            4.2,
            (1.5, detail / 3),
            craters=detail // 4,
        )
        self._clods = NoiseTile(
            rng, detail, 8.0, 0.14 * rough, 4.0, (3, detail / 3), craters=detail // 6
        )
        self._grit = np.float32(grit)
        self._patches, self._usual = patches, np.float32(self._clods.relief.std())
        band = (detail / 24, detail)
        self._grain = NoiseTile(rng, detail, float(detail), 0.2 * rough, 3.6, band)

    def heights(self, x, y, clods=True):
        """Return ground heights.

        Args:
            x: Positions in metres, a 1-D or 2-D float32 array.
            y: Positions in metres, same shape.
            clods: Whether to add the layer below a metre; far away it only costs time.

        Returns:
            Heights in metres, same shape, float32.
        """
        total = self._lumps.heights(x, y)
        if clods:
            total += self._clods.heights(x, y)
        total += np.float32(self._tilt[0]) * x + np.float32(self._tilt[1]) * y
        bend = np.hypot(x, y) / np.float32(self._crest)
        # Beyond the crest the fall goes on as a straight slope, which hills may overcome.
        total -= np.float32(self._curvature * self._crest**2 / 2) * (
            np.minimum(bend, 1) ** 2 + 2 * np.maximum(bend - 1, 0) * np.float32(0.4)
        )
        for kx, ky, rise, phase in self._waves():
            total += rise * np.sin(kx * x + ky * y + phase)
        return total

    def gradients(self, x, y, footprint):
        """Return the slopes of the ground, with grain as fine as the picture can show.

        Args:
            x: Positions in metres, a 1-D or 2-D float32 array.
            y: Positions in metres, same shape.
            footprint: Size of a pixel on the ground in metres, same shape.

        Returns:
            Slopes along x and along y, two arrays of the same shape.
        """
        gx, gy = self._lumps.gradients(x, y)
        cx, cy = self._clods.gradients(x, y)
        # Clods smaller than a pixel would only flicker.
        seen = np.minimum(np.float32(6 * self._clods.texel) / footprint, 1)
        gx += cx * seen * self._grit + np.float32(self._tilt[0])
        gy += cy * seen * self._grit + np.float32(self._tilt[1])
        for kx, ky, rise, phase in self._waves():
            swing = rise * np.cos(kx * x + ky * y + phase)
            gx += kx * swing
            gy += ky * swing
        fx, fy = self.grain(x, y, footprint)
        if self._patches:
            # The clods' own relief, enlarged, says where.
            where = self._clods.heights(x * np.float32(0.4), y * np.float32(0.4)) / self._usual
            rough = 1 + np.float32(self._patches) * np.clip(where - np.float32(0.7), 0, 1.3)
            fx, fy = fx * rough, fy * rough
        return gx + fx * self._grit, gy + fy * self._grit

    def grain(self, x, y, footprint):
        """Return the slopes of self-similar grain whose size follows the pixel's footprint.

        Args:
            x: Positions in metres, a 1-D or 2-D float32 array.
            y: Positions in metres, same shape.
            footprint: Size of a pixel in metres, same shape.

        Returns:
            Slopes along x and along y, two arrays of the same shape.
        """
        level = np.log2(np.maximum(footprint, 1e-6))
        lower = np.floor(level)
        blend = (level - lower).astype(np.float32)
        size = np.exp2(lower).astype(np.float32)
        ax, ay = self._grain.gradients(x / size, y / size)
        bx, by = self._grain.gradients(x / (2 * size), y / (2 * size))
        return ax + (bx - ax) * blend, ay + (by - ay) * blend

    def _waves(self):
        rows = np.stack([self._kx, self._ky, self._rise, self._phase], -1)
        return rows.astype(np.float32)

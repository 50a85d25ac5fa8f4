"""A periodic patch of fractal relief that can be looked up at any position."""

import cv2
import numpy as np


class NoiseTile:
    """Periodic fractal relief (heights in metres and slopes), optionally with craters.

    The relief is white noise shaped by a power law in the frequency domain, which makes it periodic
    for free. It is turned by a random angle, so that the repeats of several tiles never line up.

    Args:
        rng: Random generator; the tile depends on nothing else.
        pixels: Side of the tile in texels.
        period: Side of the tile in metres.
        slope: Root mean square slope (rise over run).
        falloff: Exponent of the power spectrum; 4 has the same slope at every scale, higher is
            smoother.
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
        relief *= slope / self._rms_slope(relief)
        for _ in range(craters):
            self._stamp_crater(relief, rng)
        self.relief = relief.astype(np.float32)
        self.slopes = np.ascontiguousarray(np.stack(self._slopes(relief), -1), dtype=np.float32)

    def heights(self, x, y):
        """Look up heights.

        Args:
            x: Positions in metres, a 1-D or 2-D float32 array.
            y: Positions in metres, same shape.

        Returns:
            Heights in metres, same shape.
        """
        return self._look_up(self.relief, x, y, cv2.INTER_CUBIC)

    def gradients(self, x, y):
        """Look up slopes along the world's x and y axes, at 1-D or 2-D positions in metres."""
        turned = self._look_up(self.slopes, x, y, cv2.INTER_LINEAR)
        along, across = turned[..., 0], turned[..., 1]
        # The look-up turned the positions by +angle, so the slopes turn back by -angle.
        return along * self._cos + across * self._sin, across * self._cos - along * self._sin

    def _look_up(self, texture, x, y, interpolation):
        if x.ndim == 1:
            # remap wants fewer than 32768 columns: fold a long list of points into rows.
            spare = (-x.size) % 4096 if x.size else 4096
            folded = [np.pad(c, (0, spare)).reshape(-1, 4096) for c in (x, y)]
            found = self._look_up(texture, *folded, interpolation)
            return found.reshape(-1, *found.shape[2:])[: x.size]
        # remap keeps coordinates as 16-bit integers inside, hence the wrap to one period first.
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
        # Soft cuts: a hard low-pass would leave ripples on the ground.
        cut = 1 / (1 + (band[0] / frequency) ** 6) / (1 + (frequency / band[1]) ** 6)
        cut[0, 0] = 0
        return np.fft.irfft2(spectrum * frequency ** (-falloff / 2) * cut, s=(n, n))

    def _slopes(self, relief):
        step = 2 * self.texel
        across = (np.roll(relief, -1, 1) - np.roll(relief, 1, 1)) / step
        down = (np.roll(relief, -1, 0) - np.roll(relief, 1, 0)) / step
        return across, down

    def _rms_slope(self, relief):
        across, down = self._slopes(relief)
        return np.sqrt(np.mean(across**2 + down**2))

    def _stamp_crater(self, relief, rng):
        # Few large, many small; the smallest still spans some texels.
        radius = 4 * (1 - rng.random()) ** (-1 / 1.6)
        radius = min(radius, self.pixels / 10)
        depth = radius * self.texel * rng.uniform(0.05, 0.24)
        centre = rng.integers(0, self.pixels, 2)
        reach = int(np.ceil(radius * 2.2))
        steps = np.arange(-reach, reach + 1)
        distance = np.hypot(steps[:, None], steps[None, :]) / radius
        bowl = np.minimum(distance**2 - 1, 0)
        rim = 0.28 * np.exp(-(((distance - 1.05) / 0.28) ** 2))
        window = np.ix_((centre[0] + steps) % self.pixels, (centre[1] + steps) % self.pixels)
        relief[window] += depth * (bowl + rim)

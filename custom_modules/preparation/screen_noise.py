"""Smooth noise in the picture plane, at several wavelengths."""

import cv2
import numpy as np


class ScreenNoise:
    """Smooth noise of unit variance, one layer per wavelength, made when first asked for.

    Args:
        rng: Random generator.
        size: Width and height of the picture in pixels.
    """

    WAVELENGTHS = (3, 7, 16, 36, 80)

    def __init__(self, rng, size):
        self._size = size
        self._seeds = rng.integers(0, 2**31, len(self.WAVELENGTHS))
        self._layers, self._slopes = {}, {}

    def layer(self, wavelength):
        """Return the layer nearest to a wavelength in pixels, (height, width) float32."""
        index = self._nearest(wavelength)
        if index not in self._layers:
            cell = self.WAVELENGTHS[index] / 2
            width, height = (int(side / cell) + 4 for side in self._size)
            coarse = np.random.default_rng(self._seeds[index]).standard_normal((height, width))
            full = (int(width * cell) + 1, int(height * cell) + 1)
            fine = cv2.resize(coarse.astype(np.float32), full, interpolation=cv2.INTER_CUBIC)
            fine = fine[: self._size[1], : self._size[0]]
            self._layers[index] = fine / np.maximum(fine.std(), np.float32(1e-3))
        return self._layers[index]

    def slopes(self, wavelength):
        """Return the layer's slopes to the right and down, per wavelength, (2, height, width)."""
        index = self._nearest(wavelength)
        if index not in self._slopes:
            layer = self.layer(wavelength)
            pair = [cv2.Sobel(layer, cv2.CV_32F, *way) for way in ((1, 0), (0, 1))]
            self._slopes[index] = np.stack(pair) * np.float32(self.WAVELENGTHS[index] / 48)
        return self._slopes[index]

    def _nearest(self, wavelength):
        return int(np.abs(np.log(np.array(self.WAVELENGTHS) / wavelength)).argmin())

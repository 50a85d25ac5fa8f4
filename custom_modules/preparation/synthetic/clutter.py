"""What is no rock: hardware, tracks, noise of a screen."""

import cv2
import numpy as np


class Hardware:
    """Parts of a rover or lander that reach into the picture from below or from a side.

    Boxes wrapped in crinkled foil (crinkles are of `ScreenNoise`), masts and dark decks, drawn flat before the scene. They are
    bright, angular and hard-edged as rocks are, and are none. `covered` says which pixels they cover, and `light` how bright
    they are, relative to the ground in the sun; (height, width) both.
    """

    MOST = 4

    def __init__(self, rng, noise, size):
        width, height = size
        self.light = np.zeros((height, width), np.float32)
        cover = np.zeros((height, width), np.uint8)
        crinkles = sum(share * noise.layer(cell) for cell, share in ((3, 0.4), (7, 0.7)))
        # Facets: each mirrors one piece of the sky, black, or of the ground, or the sun itself.
        crinkles = np.floor(crinkles * 2) / 2
        foot, across = rng.uniform(-0.1, 1.1) * width, rng.uniform(0.05, 0.2) * width
        for _ in range(rng.integers(1, self.MOST + 1)):
            part = np.zeros_like(cover)
            cv2.fillConvexPoly(part, self._outline(rng, foot, across, height), 1)
            shiny, bright = rng.uniform(0.1, 1.2), np.exp(rng.normal(0.2, 0.5))
            if rng.random() < 0.3:
                # In its own shadow.
                bright = rng.uniform(0, 0.1)
            foil = np.float32(bright) * np.exp(np.float32(shiny) * crinkles)
            self.light = np.where(part > 0, foil, self.light)
            cover |= part
            foot, across = foot + rng.normal(0, 1) * across, across * rng.uniform(0.3, 1.5)
        if rng.random() < 0.35:
            # A picture put together from several, whose edge is black, or a deck that hides the foot.
            deck = int(height * (1 - rng.uniform(0.02, 0.12)))
            cover[deck:], self.light[deck:] = 1, rng.choice([0.0, rng.uniform(0, 0.6)])
        self.covered = cover > 0

    @staticmethod
    def _outline(rng, foot, across, height):
        top = height * (1 - rng.uniform(0.05, 0.35))
        left, right = foot - across / 2, foot + across / 2
        slant = rng.normal(0, 0.25, 2) * across
        lower = top + abs(rng.normal(0, 0.1)) * height
        corners = [(left, height + 9), (right, height + 9)]
        corners += [(right + slant[0], lower), (left + slant[1], top)]
        hull = cv2.convexHull(np.array(corners, np.float32))
        return np.rint(hull).astype(np.int32)


class RoverTrack:
    """Two parallel bands along a wide circle, pressed into the ground by cleated wheels, which crosses `distance` metres ahead."""

    GAUGE, WIDTH, CLEAT = 0.75, 0.11, 0.09

    def __init__(self, rng, distance):
        self._radius = np.exp(rng.uniform(np.log(4), np.log(60)))
        bearing = rng.uniform(0, 2 * np.pi)
        self._x = np.cos(bearing) * self._radius
        self._y = distance + np.sin(bearing) * self._radius
        self._depth = rng.uniform(0.2, 0.5)
        self._dark = rng.uniform(0.72, 0.95)

    def press(self, x, y, footprint, slope, albedo):
        """Press the marks into `slope` (of the ground along y) and `albedo`, in place; all are (height, width), in metres."""
        dx, dy = x - np.float32(self._x), y - np.float32(self._y)
        off = np.hypot(dx, dy) - np.float32(self._radius)
        near = np.abs(np.abs(off) - np.float32(self.GAUGE)) < self.WIDTH
        near &= footprint < self.WIDTH
        arc = np.arctan2(dy[near], dx[near]) * np.float32(self._radius / self.CLEAT * 2 * np.pi)
        seen = np.clip(np.float32(self.CLEAT / 3) / footprint[near], 0, 1)
        slope[near] += np.float32(self._depth) * np.sin(arc) * seen
        albedo[near] *= np.float32(self._dark)


class ScreenNoise:
    """Smooth noise of unit variance over the picture, one layer per wavelength, made when first asked for."""

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

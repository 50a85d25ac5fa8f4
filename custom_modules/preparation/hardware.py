"""What stands in the way of a rover's camera: the rover or its lander."""

import cv2
import numpy as np


class Hardware:
    """Parts of a rover or lander that reach into the picture from below or from a side.

    Boxes wrapped in crinkled foil, masts and dark decks, drawn flat before the scene. They are bright,
    angular and hard-edged as rocks are, and are none.

    Args:
        rng: Random generator.
        noise: The scene's `ScreenNoise`, for the crinkles.
        size: Width and height of the picture in pixels.

    Attributes:
        covered: Which pixels it covers, (height, width) bool.
        light: Light from them, relative to the ground in the sun, (height, width) float32.
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
        corners = [
            (left, height + 9),
            (right, height + 9),
            (right + slant[0], top + abs(rng.normal(0, 0.1)) * height),
            (left + slant[1], top),
        ]
        hull = cv2.convexHull(np.array(corners, np.float32))
        return np.rint(hull).astype(np.int32)

"""Lens, sensor and tone curve: from light to the pixels of a picture."""

import cv2
import numpy as np


class Exposure:
    """The random development of one picture.

    A render is exposed for the ground, with a soft shoulder and hardly any noise. A photograph may
    be too dark or too bright, with crushed shadows, a colour cast (brown to green), an uneven
    field, blur or sharpening, noise.

    Args:
        rng: Random generator.
        photo: Whether to imitate a photograph.
    """

    def __init__(self, rng, photo):
        self._rng, self._photo = rng, photo
        self._gamma = rng.uniform(1.7, 2.3)
        self._offset, self._crush, self._sharpen = rng.uniform(0, 2), 0.0, 0.0
        if not photo:
            self._wanted = np.clip(rng.normal(136, 22), 85, 190) / 255
            self._blur, self._noise = rng.uniform(0.5, 0.7), rng.uniform(0.4, 2.0)
            self._cast = 1 + rng.normal(0, 0.005, 3)
            return
        self._wanted = np.clip(rng.normal(124, 32), 55, 205) / 255
        self._blur, self._noise = rng.uniform(0.4, 1.1), rng.uniform(0.3, 4.5)
        self._gamma = rng.uniform(1.2, 2.4)
        if rng.random() < 0.5:
            self._crush = rng.uniform(0, 0.22)
        if rng.random() < 0.4:
            self._sharpen = rng.uniform(0.2, 1.0)
        if rng.random() < 0.7:
            self._offset = 0
        blue = rng.uniform(0.7, 0.93) if rng.random() < 0.88 else 1.0
        green = 1 + (blue - 1) * rng.uniform(0, 0.4)
        self._cast = np.array([blue, green, 1.0]) / np.mean([blue, green, green, 1.0])

    def develop(self, light, ground):
        """Develop a picture.

        Args:
            light: Light per pixel (height, width), 0 in the sky, in any unit.
            ground: Which pixels are ground (height, width); their usual brightness is exposed for.

        Returns:
            The picture, (height, width, 3) uint8 in OpenCV's BGR order.
        """
        lit = light[ground & (light > 0.02)]
        usual = float(np.quantile(lit, 0.6)) if lit.size else 0.3
        exposed = light * (self._wanted**self._gamma / max(usual, 0.02))
        if self._photo:
            exposed = exposed * self._uneven(light.shape)
        # A film-like shoulder instead of a hard clip.
        exposed = np.where(exposed > 0.6, 0.6 + 0.4 * np.tanh((exposed - 0.6) / 0.4), exposed)
        # The lens blurs a little, before the sensor adds its noise.
        blurred = cv2.GaussianBlur(exposed.astype(np.float32), (0, 0), self._blur)
        grey = np.maximum(blurred, 0) ** np.float32(1 / self._gamma)
        if self._sharpen:
            soft = cv2.GaussianBlur(grey, (0, 0), 1.2)
            grey += np.float32(self._sharpen) * (grey - soft)
        if self._crush:
            # The usual brightness stays where it is.
            stretch = self._wanted / max(self._wanted - self._crush, 0.05)
            grey = (grey - np.float32(self._crush)) * np.float32(min(stretch, 2.5))
        noise = self._rng.standard_normal((*grey.shape, 1), np.float32) * np.float32(self._noise)
        grey = np.maximum(grey, 0)[..., None]
        # What is nearly white loses its colour.
        cast = self._cast.astype(np.float32)
        colour = 255 * grey * (cast + (1 - cast) * np.clip(2 * grey - np.float32(1.2), 0, 0.8))
        if self._offset:
            colour += noise + np.float32(self._offset)
        else:
            # A sensor whose black is cut off has no noise in it.
            colour += noise * (colour > 3)
        return np.clip(np.rint(colour), 0, 255).astype(np.uint8)

    def _uneven(self, shape):
        corners = self._rng.normal(1, 0.1, (2, 2)).astype(np.float32)
        return cv2.resize(np.clip(corners, 0.7, 1.3), shape[::-1], interpolation=cv2.INTER_LINEAR)

"""The four classes of the Artificial Lunar Landscape set and their colours."""

import cv2
import numpy as np

from custom_modules.usage_error import UsageError


class MoonClasses:
    """Class numbers, their colours in RGB masks, and the way from colours to numbers.

    0 ground (black), 1 sky (red), 2 small rock (green), 3 large rock (blue).
    """

    GROUND, SKY, SMALL, LARGE = range(4)
    RGB = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
    # Least brightness that is no noise, and least part of its object's brightness, of a mask pixel.
    FAINTEST = 28
    EDGE = 0.25

    @classmethod
    def paint(cls, classes):
        """Return the mask in colour, (height, width, 3) uint8 in OpenCV's BGR order."""
        return np.array(cls.RGB, np.uint8)[:, ::-1][classes]

    @classmethod
    def rocks(cls, classes):
        """Return the binary mask, (height, width) uint8: 255 on any rock, else 0."""
        return np.where(classes >= cls.SMALL, 255, 0).astype(np.uint8)

    @classmethod
    def read_colours(cls, mask):
        """Turn a coloured mask into class numbers.

        The public masks are anti-aliased, and in one kind colours fade with distance. So the
        channel decides the class, and a pixel belongs to an object where it has at least a quarter
        of the object's own brightness, which is the brightest value nearby: the soft edge of a near
        rock ends at the same contour as in the binary masks that circulate with the set (those cut
        at 64 of 255), and a faint far rock is still a rock.

        Args:
            mask: Pixels (height, width, 3 or 4), uint8, BGR.

        Returns:
            Class numbers, (height, width) uint8.

        Raises:
            UsageError: The mask is not in colour.
        """
        if cls.is_grey(mask):
            raise UsageError('The mask is black and white, without colours for the classes.')
        blue, green, red = (np.ascontiguousarray(mask[..., c]) for c in range(3))
        value = np.maximum(np.maximum(blue, green), red)
        nearby = cv2.dilate(value, np.ones((5, 5), np.uint8))
        seen = (value >= cls.FAINTEST) & (value >= cls.EDGE * nearby)
        classes = np.zeros(value.shape, np.uint8)
        stone = seen & (red < np.maximum(green, blue))
        classes[seen & ~stone] = cls.SKY
        classes[stone] = cls.SMALL
        # Facets of large rocks are cyan in some masks: blue with green laid over it.
        classes[stone & (10 * blue.astype(np.int16) >= 7 * green.astype(np.int16))] = cls.LARGE
        return classes

    @staticmethod
    def is_grey(mask):
        """Tell whether a mask is black and white, so that its colours mean nothing."""
        if mask.ndim == 2:
            return True
        flat = (mask[..., 0] == mask[..., 1]).all() and (mask[..., 1] == mask[..., 2]).all()
        # All black in colour is a scene of bare ground.
        return bool(flat and mask[..., :3].any())

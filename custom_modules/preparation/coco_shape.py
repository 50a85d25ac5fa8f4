"""The shape of one COCO annotation, before pycocotools sees it."""

import re

import numpy as np


class CocoShape:
    """A `segmentation` of a COCO json: polygons, uncompressed or compressed run lengths (RLE).

    pycocotools trusts what it is given: run lengths that end early leave random memory in the
    mask, text that is none and points far outside make it read and write where it must not.

    Args:
        segmentation: The entry as it stands in the json.
        width: Width of its image in pixels.
        height: Height of its image.

    Examples:
        >>> CocoShape([[0, 0, 4, 0, 4, 4]], 8, 6).complaint()
        >>> CocoShape({'size': [6, 8], 'counts': [3, 40]}, 8, 6).complaint()
        'has run lengths that do not cover its 8x6 pixels'
    """

    # Every character holds 5 bits of a number and says whether more follow.
    COMPRESSED = re.compile('(?:[P-o]{0,6}[0-O])+')

    def __init__(self, segmentation, width, height):
        self.segmentation = segmentation
        self.width = width
        self.height = height

    def complaint(self):
        """Return what is wrong with the shape, None if pycocotools can draw it."""
        if isinstance(self.segmentation, list):
            if self.segmentation and all(map(self._is_polygon, self.segmentation)):
                return None
            return 'is not outlined by polygons of 3 or more points in its image'
        if not isinstance(self.segmentation, dict):
            return 'has neither polygons nor run lengths'
        size, expected = self.segmentation.get('size'), [self.height, self.width]
        if str(size) != str(expected):
            return f'has run lengths for [height, width] {size}, but its image has {expected}'
        if not self._covers_image():
            return f'has run lengths that do not cover its {self.width}x{self.height} pixels'
        return None

    def _is_polygon(self, points):
        try:
            points = np.asarray(points)
        except ValueError:
            return False
        if points.dtype.kind not in 'if' or points.ndim != 1 or len(points) < 6 or len(points) % 2:
            return False
        # Some tools draw a little beyond the border, by an image's size at most.
        places = points.reshape(-1, 2) / (self.width, self.height)
        return bool((abs(places - 0.5) <= 1.5).all())

    def _covers_image(self):
        counts = self.segmentation.get('counts')
        if isinstance(counts, str) and self.COMPRESSED.fullmatch(counts):
            counts = self._decompress(counts)
        if not isinstance(counts, list) or not all(isinstance(n, int) and n >= 0 for n in counts):
            return False
        return sum(counts) == self.height * self.width

    @staticmethod
    def _decompress(text):
        counts, number, bits = [], 0, 0
        for code in text.encode():
            code -= 48
            number |= (code & 31) << bits
            bits += 5
            if code & 32:  # more follows
                continue
            if code & 16:  # below 0
                number -= 1 << bits
            # From the fourth on a number is the difference to the one before the last.
            counts.append(number + counts[-2] if len(counts) > 2 else number)
            number = bits = 0
        return counts

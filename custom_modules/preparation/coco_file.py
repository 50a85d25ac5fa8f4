"""COCO annotations: the file and its shapes."""

import contextlib
import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO

from custom_modules.utils.errors import UsageError
from custom_modules.utils.progress import progress


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


class CocoFile:
    """A COCO json whose every part is checked when it is read, and drawn by pycocotools.

    Args:
        path: The json.

    Attributes:
        names: Class names in the order of the mask's indices: 'background', then the categories in
            the order of their ids.
        images: The json's entries of its images.

    Raises:
        UsageError: The file is no COCO json, or a part of it is missing, contradicts another or
            cannot be drawn.
    """

    KEYS = {
        'images': {'id': int, 'file_name': str, 'width': int, 'height': int},
        'categories': {'id': int, 'name': str},
        'annotations': {'id': int, 'image_id': int, 'category_id': int, 'segmentation': object},
    }
    # 255 is "ignore" to losses and metrics.
    MOST = 254
    # OpenCV reads no larger picture.
    MOST_PIXELS = 2**30

    def __init__(self, path):
        self.path = Path(path)
        parts = self._read()
        for part in self.KEYS:
            self._check_entries(part, parts[part])
        categories = sorted(parts['categories'], key=lambda category: category['id'])
        self.names = ['background', *(category['name'] for category in categories)]
        self.images = parts['images']
        self._index = {category['id']: i for i, category in enumerate(categories, 1)}
        self._check_images_and_names()
        self._coco = COCO()
        self._coco.dataset = parts
        with contextlib.redirect_stdout(io.StringIO()):
            self._coco.createIndex()
        for annotation in progress(parts['annotations'], 'Checking annotations'):
            self._check_annotation(annotation)

    def draw(self, image):
        """Draw the mask of an image.

        Where annotations overlap, the smaller one lies on top; of equal ones the later. Crowds
        (`iscrowd`) are drawn too.

        Args:
            image: An entry of `images`.

        Returns:
            Indices into `names`, (height, width) uint8.
        """
        # column by column, as run lengths are
        mask = np.zeros((image['height'], image['width']), np.uint8, order='F')
        shapes = [(self._coco.annToRLE(a), a) for a in self._coco.imgToAnns[image['id']]]
        # Sorted as run lengths, drawn one by one: all masks of a large image may not fit in memory.
        for rle, annotation in sorted(shapes, key=lambda shape: -int(rle_tools.area(shape[0]))):
            index = self._index[annotation['category_id']]
            np.copyto(mask, index, where=rle_tools.decode(rle).view(bool))
        return mask

    def _read(self):
        try:
            parts = json.loads(self.path.read_bytes())
        except (FileNotFoundError, IsADirectoryError) as error:
            raise UsageError(f'{self.path} is not a file.') from error
        except (ValueError, RecursionError) as error:
            self._refuse(f'it is no JSON ({error})')
        lists = parts if isinstance(parts, dict) else {}
        if not all(isinstance(lists.get(part), list) for part in self.KEYS):
            self._refuse(f'it has no lists named {", ".join(self.KEYS)}')
        return parts

    def _check_entries(self, part, entries):
        for entry in entries:
            found = entry if isinstance(entry, dict) else {}
            for key, kind in self.KEYS[part].items():
                if key not in found:
                    self._refuse(f'one of its {part} has no {key}: {str(entry)[:80]}')
                if not isinstance(found[key], kind):
                    value = str(found[key])[:80]
                    self._refuse(f'one of its {part} has {key} {value!r}, not {kind.__name__}')
        if part != 'annotations':
            self._check_unique((entry['id'] for entry in entries), f'the id of several {part}')

    def _check_images_and_names(self):
        if not self.images or not self._index:
            self._refuse(f'it has {len(self.images)} images and {len(self._index)} categories')
        if len(self._index) > self.MOST:
            self._refuse(f'it has {len(self._index)} categories, but a mask holds {self.MOST}')
        self._check_unique(self.names, 'the name of several classes, of which 0 is background')
        for name in self.names:
            if name.splitlines() != [name]:
                self._refuse(f'{name!r} is no category name on one line')
        for image in self.images:
            width, height = image['width'], image['height']
            if min(width, height) < 1 or width * height > self.MOST_PIXELS:
                self._refuse(f'image {image["id"]} is {width}x{height} pixels')

    def _check_annotation(self, annotation):
        image = self._coco.imgs.get(annotation['image_id'])
        if image is None:
            complaint = f'is of image {annotation["image_id"]}, which is not in its images'
        elif annotation['category_id'] not in self._index:
            complaint = (
                f'is of category {annotation["category_id"]}, which is not in its categories'
            )
        else:
            shape = CocoShape(annotation['segmentation'], image['width'], image['height'])
            complaint = shape.complaint()
        if complaint:
            self._refuse(f'annotation {annotation["id"]} {complaint}')

    def _check_unique(self, values, what):
        repeated = [value for value, times in Counter(values).items() if times > 1]
        if repeated:
            self._refuse(f'{repeated[0]!r} is {what}')

    def _refuse(self, what):
        raise UsageError(
            f'{self.path} cannot be drawn as masks: {what}; mend it or export it again.'
        )

"""Reads COCO annotations and validates each entry: valid ones are kept, invalid ones are counted and named."""

import math
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
from pycocotools import mask as rle_tools

from custom_modules.preparation.annotation_sources import read_annotations
from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.tables import progress

COMPRESSED = re.compile('(?:[P-o]{0,6}[0-O])+')  # a character holds 5 bits of a number, and whether more follow


def number(value) -> float | None:
    """Read a finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        # not 1_000, which is Python's own
        found = math.nan if '_' in str(value) else float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole_number(value) -> int | None:
    """Read a whole number, also one written as 96.0 or as text; None for anything else."""
    found = number(value)
    if found is None or found != int(found):
        return None
    # digits are exact, while a float merges neighbours above 2**53
    return int(value if str(value).isdecimal() else found)


def identity(value):
    """Normalise an id, so that 7, 7.0 and '7' are equal; None if it is neither a number nor text."""
    found = whole_number(value)
    return value if found is None and isinstance(value, str) else found


def read_shape(segmentation, width, height):
    """Validate a COCO `segmentation`: polygons, or uncompressed or compressed run lengths (RLE), of an image of that size.

    pycocotools does not check its input: run lengths that end early leave uninitialised memory in the mask, malformed
    text and points far outside make it access memory out of bounds. Returns what pycocotools can draw, what is wrong
    with the shape (None if nothing), and the number of invalid polygons.

    Examples:
        >>> read_shape([[0, 0, 4, 0, 4, 4]], 8, 6)
        ([[0.0, 0.0, 4.0, 0.0, 4.0, 4.0]], None, 0)
        >>> read_shape({'size': [6, 8], 'counts': [3, 40]}, 8, 6)[1]
        'has run lengths that do not cover its image'
    """
    if isinstance(segmentation, dict):
        return *_read_run_lengths(segmentation, width, height), 0
    if segmentation is not None and not isinstance(segmentation, list):
        return None, 'has neither polygons nor run lengths', 0
    parts = segmentation or []
    if parts and all(number(value) is not None for value in parts):
        parts = [parts]
    parts = [part for part in parts if part != []]
    polygons = list(filter(None, (_read_polygon(part, width, height) for part in parts)))
    problem = None if polygons else 'is not outlined by polygons of 3 or more points in its image'
    return polygons, problem if parts else 'has no outline', len(parts) - len(polygons)


def _read_polygon(points, width, height):
    points = [number(value) for value in points] if isinstance(points, list) else []
    if len(points) < 6 or len(points) % 2 or None in points:
        return None
    # some tools draw a little beyond the border: up to one image size is accepted
    relative = np.array(points).reshape(-1, 2) / (width, height)
    return points if (abs(relative - 0.5) <= 1.5).all() else None


def _read_run_lengths(segmentation, width, height):
    size, counts = segmentation.get('size'), segmentation.get('counts')
    size = [whole_number(n) for n in size] if isinstance(size, list) else size
    if size != [height, width]:
        return None, 'has run lengths for an image of another size'
    if isinstance(counts, str) and COMPRESSED.fullmatch(counts):
        counts = _decompressed(counts)
    counts = [whole_number(n) for n in counts] if isinstance(counts, list) else [None]
    if any(n is None or n < 0 for n in counts) or sum(counts) != height * width:
        return None, 'has run lengths that do not cover its image'
    return dict(size=size, counts=counts), None


def _decompressed(text):
    counts, value, bits = [], 0, 0
    for code in text.encode():
        code -= 48
        value |= (code & 31) << bits
        bits += 5
        if code & 32:  # more bits follow
            continue
        if code & 16:  # the sign
            value -= 1 << bits
        # from the fourth on, a number is stored as the difference to the one two places before
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = bits = 0
    return counts


class CocoFile:
    """A COCO json, CVAT's XML file, or the folder of labelme's json files: valid entries are read, the others counted and named.

    Ids may be numbers or text, sizes 96.0 or text. A category named 'background' is index 0, categories with the same name
    are one class, entries with the same file name and size are one image. Of absolute paths, and those with a drive or `..`,
    only the file name is kept. Raises a UsageError if the file is no COCO json, or nothing in it can be drawn.

    Attributes:
        names: Class names by mask index: 'background', then the categories in the order of their ids.
        images: Valid image entries, with `id`, `file_name`, `width`, `height` and `given`, the file name in the json.
        left_out: Names of what is not read, by what is wrong with them.
    """

    PARTS = ('images', 'categories', 'annotations')
    MOST, MOST_PIXELS = 254, 2**30  # 255 is "ignore" to losses and metrics; OpenCV reads no larger picture

    def __init__(self, path):
        self.path, self.left_out = Path(path), defaultdict(list)
        parts = self._read()
        self._class_of = self._read_categories(parts['categories'])
        self.images, self._image_of, self._by_name = [], {}, {}
        for entry in parts['images']:
            self._add_image(entry)
        if not self.images or not self._class_of:
            self._refuse(
                f'{len(self.images)} of its {len(parts["images"])} images and {len(self._class_of)} of its '
                f'{len(parts["categories"])} categories can be used'
            )
        self._shapes = defaultdict(list)
        for entry in progress(parts['annotations'], 'Checking annotations'):
            self._add_annotation(entry)
        if parts['annotations'] and not self._shapes:
            self._refuse(f'none of its {len(parts["annotations"])} annotations can be used')

    def draw(self, image):
        """Draw the mask of one of `images`: indices into `names`, (height, width) uint8.

        Where annotations overlap, that of the higher `z_order` (CVAT's layers) lies on top; of one layer the smaller one, of equal
        ones the later. Crowds (`iscrowd`) are drawn too.
        """
        # column by column, as decoded run lengths are
        mask = np.zeros((image['height'], image['width']), np.uint8, order='F')
        # sorted as run lengths, decoded one by one: all masks of a large image may not fit in memory
        for *_, rle, index in sorted(self._shapes[image['id']], key=lambda shape: shape[:2]):
            np.copyto(mask, index, where=rle_tools.decode(rle).view(bool))
        return mask

    def _read(self):
        try:
            parts = read_annotations(self.path)
        except UsageError:
            raise
        except ValueError as error:
            self._refuse(str(error))
        if not isinstance(parts, dict) or not all(isinstance(parts.get(name), list) for name in self.PARTS):
            self._refuse(f'it has no lists named {", ".join(self.PARTS)}')
        # an entry that is no object lacks every key, and is left out by its text
        return {name: [e if isinstance(e, dict) else dict(name=str(e)) for e in parts[name]] for name in self.PARTS}

    def _read_categories(self, entries):
        name_of = {}
        for entry in entries:
            key, name = identity(entry.get('id')), entry.get('name')
            # on one line, for classes.txt
            name = ' '.join(name.split()) if isinstance(name, str) else ''
            if key is None or not name:
                self._leave_out('categories without an id or a name', entry)
            elif key in name_of:
                self._leave_out('categories whose id another one has', entry)
            else:
                name_of[key] = name
        # numbers before text
        ids = sorted(name_of, key=lambda key: (isinstance(key, str), key))
        self.names = list(dict.fromkeys(['background', *(name_of[key] for key in ids)]))
        if len(self.names) > self.MOST + 1:
            self._refuse(f'it has {len(self.names) - 1} categories, but a mask holds {self.MOST}')
        return {key: self.names.index(name_of[key]) for key in ids}

    def _add_image(self, entry):
        key, name = identity(entry.get('id')), entry.get('file_name')
        width, height = (whole_number(entry.get(side)) for side in ('width', 'height'))
        path = _path_below(name) if isinstance(name, str) else None
        if key is None or path is None or width is None or height is None:
            self._leave_out('images without an id, a file name, a width or a height', entry)
        elif min(width, height) < 1 or width * height > self.MOST_PIXELS:
            self._leave_out(f'images of no size, or of more than {self.MOST_PIXELS} pixels', entry)
        elif key in self._image_of:
            self._leave_out('images whose id another one has', entry)
        else:
            image = dict(id=key, file_name=str(path), width=width, height=height, given=name)
            self._image_of[key] = self._by_name.setdefault((name, width, height), image)
            if self._image_of[key] is image:
                self.images.append(image)

    def _add_annotation(self, entry):
        image = self._image_of.get(identity(entry.get('image_id')))
        index = self._class_of.get(identity(entry.get('category_id')))
        if image is None:
            self._leave_out('annotations of an image that is not there', entry)
        elif index is None:
            self._leave_out('annotations of a category that is not there', entry)
        else:
            shape, problem, dropped = read_shape(entry.get('segmentation'), image['width'], image['height'])
            rle = None if problem else rle_tools.frPyObjects(shape, image['height'], image['width'])
            rle = rle_tools.merge(rle) if isinstance(rle, list) else rle
            area = 0 if problem else int(rle_tools.area(rle))
            if not area:
                self._leave_out(f'annotations of which each {problem or "covers no pixel"}', entry)
            else:
                self._shapes[image['id']].append((number(entry.get('z_order')) or 0, -area, rle, index))
                if dropped:
                    self._leave_out('polygons of fewer than 3 points beside sound ones', entry)

    def _leave_out(self, what, entry):
        name = entry.get('file_name') or entry.get('name') or entry.get('id') or entry
        self.left_out[what].append(' '.join(str(name).split())[:80])

    def _refuse(self, what):
        reasons = ', '.join(f'{len(names)} {kind} ({first_five(names)})' for kind, names in self.left_out.items())
        what += f': {reasons}' if reasons else ''
        raise UsageError(f'{self.path} cannot be drawn as masks: {what}; mend it or export it again.')


def _path_below(name):
    # a backslash or a drive letter makes a path on Windows, wherever this runs
    parts = re.sub(r'^[A-Za-z]:', '/', name.replace('\\', '/')).split('/')
    outside = parts[0] == '' or '..' in parts
    parts = [part for part in parts if part not in ('', '.', '..')]
    if not parts or '\0' in name:
        return None
    return PurePosixPath(parts[-1]) if outside else PurePosixPath(*parts)

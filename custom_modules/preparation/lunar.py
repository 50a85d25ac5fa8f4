"""The public Artificial Lunar Landscape set."""

import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.files import write_atomically
from custom_modules.utils.images import encode_png, read_png
from custom_modules.utils.tables import progress


class MoonClasses:
    """Class indices and their colours in RGB masks: 0 ground (black), 1 sky (red), 2 small rock (green), 3 large rock (blue)."""

    GROUND, SKY, SMALL, LARGE = range(4)
    RGB = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
    # least brightness of a mask pixel that is no noise, and its least share of the brightest value nearby
    FAINTEST, EDGE = 28, 0.25

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
        """Turn a coloured mask, (height, width, 3 or 4) uint8 BGR, into class indices, (height, width) uint8; a UsageError if it is grey.

        The public masks are anti-aliased, and in one kind of them colours fade with distance. So the dominant channel decides
        the class, and a pixel belongs to an object where it has at least a quarter of the brightest value nearby: the soft
        edge of a near rock ends at the same contour as in the binary masks that are distributed with the set (thresholded
        at 64 of 255), and a faint distant rock is still a rock.
        """
        if cls.is_grey(mask):
            raise UsageError('The mask is black and white, without colours for the classes.')
        blue, green, red = cv2.split(mask)[:3]
        value = np.maximum(np.maximum(blue, green), red)
        nearby = cv2.dilate(value, np.ones((5, 5), np.uint8))
        labelled = (value >= cls.FAINTEST) & (value >= cls.EDGE * nearby)
        rock = labelled & (red < np.maximum(green, blue))
        classes = np.zeros(value.shape, np.uint8)
        classes[labelled & ~rock] = cls.SKY
        classes[rock] = cls.SMALL
        # facets of large rocks are cyan in some masks: blue with green added
        classes[rock & (10 * blue.astype(np.int16) >= 7 * green.astype(np.int16))] = cls.LARGE
        return classes

    @staticmethod
    def is_grey(mask):
        """Tell whether a mask is black and white; a coloured one that is all black is a scene of bare ground."""
        return mask.ndim == 2 or bool((mask[..., :3] == mask[..., :1]).all() and mask[..., :3].any())


REFERENCE = 720 * 480  # pixels of the picture that all limits on sizes refer to
# parts thinner than WIDTH pixels are removed, and areas below AREA, which 95 % of the areas in `clean` exceed
WIDTH, AREA = 12, 240


def small_areas(binary, least):
    """Mark the areas (connected by 8 neighbours) of a binary mask (height, width) below `least` pixels of 720x480, to its scale."""
    _, parts, table, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    small = table[:, cv2.CC_STAT_AREA] < least * binary.size / REFERENCE
    small[0] = False
    return small[parts]


def without_pebbles(rocks):
    """Remove thin and small areas from a binary mask of all rocks, so that it labels what a `clean` mask does.

    No scene of the public sample has both kinds of mask, so the limits were judged by eye and by the number of rocks per picture.
    """
    # odd: OpenCV's opening shifts a mask by a pixel otherwise
    diameter = 2 * int(WIDTH * rocks.shape[1] / 720 / 2) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    opened = cv2.morphologyEx(rocks, cv2.MORPH_OPEN, kernel)
    opened[small_areas(opened, AREA)] = 0
    return opened


class LunarSource:
    """Pairs of pictures and coloured masks in the layout of the Artificial Lunar Landscape set.

    `images/render/render0001.png` with `images/clean/clean0001.png` (preferred) or `images/ground/ground0001.png`, and
    `real_moon_images/PCAM1.png` or `TCAM1.png` with `g_PCAM1.png`. Every mask is read here, so that a bad one is found
    before anything is written. Source: R. Pessia and G. Ishigami, Keio University, CC BY-NC-SA 4.0. Raises a
    UsageError if the folder is missing or holds no picture with a coloured mask, a PNG is damaged, or a mask has another
    size than its picture.

    Args:
        folder: Folder that holds `images`, `real_moon_images` or both.
        only: 'clean' or 'ground', to use masks of this kind alone; None takes all renders.
        names: Names to take, such as '0001' or 'PCAM1'; None takes all. A UsageError if one is missing or has no mask.

    Attributes:
        renders, photos: Lists of (name such as '0001' or 'PCAM1', picture path, mask path).
        kinds: Number of renders by kind of mask, 'clean' and 'ground'.
        bare, grey: Pictures without any mask, and those whose only mask is black and white.
    """

    def __init__(self, folder, only=None, names=None):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UsageError(f'{self.folder} is not a folder.')
        self.renders, self.photos, self.bare, self.grey = [], [], [], []
        self.kinds = dict.fromkeys([only] if only else ['clean', 'ground'], 0)
        images, photos = self.folder / 'images', self.folder / 'real_moon_images'
        for picture in progress(sorted(images.glob('render/render*.[pP][nN][gG]')), 'Checking masks'):
            name = picture.stem.removeprefix('render')
            masks = [images / kind / f'{kind}{name}{picture.suffix}' for kind in self.kinds]
            if (names is not None and name not in names) or (only and not masks[0].is_file()):
                continue
            if mask := self._coloured_mask(picture, masks):
                self.renders.append((name, picture, mask))
                self.kinds[mask.parent.name] += 1
        for picture in sorted(photos.glob('*.[pP][nN][gG]')):
            wanted = re.fullmatch(r'[PT]CAM\d+', picture.stem) and (names is None or picture.stem in names)
            if wanted and (mask := self._coloured_mask(picture, [photos / f'g_{picture.name}'])):
                self.photos.append((picture.stem, picture, mask))
        if not self.renders and not self.photos:
            what = 'neither images/render/render*.png nor real_moon_images/PCAM*.png or TCAM*.png with a mask'
            if self.grey:
                what = f'black-and-white masks only ({len(self.grey)}): use it as it is, with MOON_DATA={self.folder}'
            raise UsageError(f'{self.folder} holds {what}.')
        missing = sorted(set(names or ()) - {name for name, *_ in (*self.renders, *self.photos)})
        if missing:
            raise UsageError(
                f'{self.folder} lacks {len(missing)} of the {len(set(names))} pictures that are named, or their '
                f'{only or "coloured"} masks ({first_five(missing)}): take them off the list, or name the whole set.'
            )

    def _coloured_mask(self, picture, masks):
        masks = [mask for mask in masks if mask.is_file()]
        for mask in masks:
            pixels, shape = read_png(mask), read_png(picture).shape
            if pixels.shape[:2] != shape[:2]:
                size, other = (f'{found[1]}x{found[0]}' for found in (pixels.shape, shape))
                raise UsageError(f'{mask} is {size} pixels, but {picture} is {other}.')
            if not MoonClasses.is_grey(pixels):
                return mask
        (self.grey if masks else self.bare).append(picture)
        return None


def convert_lunar(source, out, overwrite=False, pebbles=True):
    """Write binary and multi-class sets of the renders and of the photographs, and return the number of pairs by folder.

    Every set has `images/render/render<name>.png`, copied byte for byte, and `images/ground/ground<name>.png`. Binary
    masks hold 0 and 255 (any rock), multi-class masks the indices of `MoonClasses`. Raises what `write_missing` does.

    Args:
        source: A `LunarSource`.
        out: Folder for the sets.
        overwrite: Whether to replace files that differ from what would be written.
        pebbles: Whether binary masks from `ground` keep what `clean` ones leave out.
    """

    def draw(mask, binary):
        classes = MoonClasses.read_colours(read_png(mask))
        if not binary:
            return encode_png(classes)
        rocks = MoonClasses.rocks(classes)
        return encode_png(rocks if pebbles or mask.parent.name != 'ground' else without_pebbles(rocks))

    files, written = [], {}
    for prefix, pairs in (('MOON_SEGMENTATION', source.renders), ('MOON_PHOTOS', source.photos)):
        for kind in ('BINARY', 'MULTICLASS'):
            folder = Path(out, f'{prefix}_{kind}')
            for name, picture, mask in pairs:
                files.append((folder / f'images/render/render{name}.png', picture.read_bytes))
                files.append((folder / f'images/ground/ground{name}.png', partial(draw, mask, kind == 'BINARY')))
                written[folder] = len(pairs)
    write_missing(files, overwrite)
    return written


def write_missing(files, overwrite):
    """Write the files (pairs of a path and a function that returns its bytes) that do not exist yet, and return their number.

    Without `overwrite` a file that exists with other content is a UsageError, before anything is written; with it, it is
    replaced. Raises a UsageError too if a source file cannot be read.
    """
    # all conflicts first: half a set of new files among old ones would be worse than none
    missing = []
    for path, content in progress(files, 'Checking what is there'):
        if path.exists():
            if path.read_bytes() == content():
                continue
            if not overwrite:
                raise UsageError(f'{path} exists with other content: choose another --out, or pass --overwrite.')
        missing.append((path, content))
    for path, content in progress(missing, 'Writing'):
        write_atomically(path, content(), sync=False)
    return len(missing)

"""The public Artificial Lunar Landscape set."""

import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from custom_modules.preparation.synthetic.rocks import without_pebbles
from custom_modules.utils.errors import UsageError, first_five
from custom_modules.utils.files import write_atomically
from custom_modules.utils.images import encode_png, read_png
from custom_modules.utils.tables import progress


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
        """Turn a coloured mask, (height, width, 3 or 4) uint8 BGR, into class numbers, (height, width) uint8; a UsageError if it is grey.

        The public masks are anti-aliased, and in one kind colours fade with distance. So the channel decides the class, and a
        pixel belongs to an object where it has at least a quarter of the brightest value nearby: the soft edge of a near rock
        ends at the same contour as in the binary masks that circulate with the set (cut at 64 of 255), and a faint far rock
        is still a rock.
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


class LunarSource:
    """Pairs of pictures and coloured masks in the layout of the Artificial Lunar Landscape set.

    `images/render/render0001.png` with `images/clean/clean0001.png` (preferred) or `images/ground/ground0001.png`, and
    `real_moon_images/PCAM1.png` or `TCAM1.png` with `g_PCAM1.png`. Every mask is read here already, so that a bad one
    is found before anything is written. Source: R. Pessia and G. Ishigami, Keio University, CC BY-NC-SA 4.0. Raises a
    UsageError if the folder is missing, or holds no picture with a coloured mask; a file is no whole PNG; a mask has
    another size than its picture.

    Args:
        folder: Folder that holds `images` and, or, `real_moon_images`.
        only: 'clean' or 'ground', to take masks of this kind alone; None takes all renders.
        names: Names to take, such as '0001' or 'PCAM1'; None takes all. A UsageError if one is not there, or has no mask.

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
        for picture in progress(sorted(images.glob('render/render*.png')), 'Checking masks'):
            name = picture.stem.removeprefix('render')
            masks = [images / kind / f'{kind}{name}.png' for kind in self.kinds]
            if (names is not None and name not in names) or (only and not masks[0].is_file()):
                continue
            mask = self._first_coloured(picture, masks)
            if mask is not None:
                self.renders.append((name, picture, mask))
                self.kinds[mask.parent.name] += 1
        for picture in sorted(photos.glob('*.png')):
            if re.fullmatch(r'[PT]CAM\d+', picture.stem) and (names is None or picture.stem in names):
                mask = self._first_coloured(picture, [photos / f'g_{picture.name}'])
                if mask is not None:
                    self.photos.append((picture.stem, picture, mask))
        if not self.renders and not self.photos:
            what = 'neither images/render/render*.png nor real_moon_images/PCAM*.png or TCAM*.png with a mask'
            if self.grey:
                what = f'black-and-white masks only ({len(self.grey)}): use it as it is, with MOON_DATA={self.folder}'
            raise UsageError(f'{self.folder} holds {what}.')
        gone = sorted(set(names or ()) - {name for name, *_ in (*self.renders, *self.photos)})
        if gone:
            raise UsageError(
                f'{self.folder} lacks {len(gone)} of the {len(set(names))} pictures that are named, or their '
                f'{only or "coloured"} masks ({first_five(gone)}): take them off the list, or name the whole set.'
            )

    def _first_coloured(self, picture, masks):
        masks = [mask for mask in masks if mask.is_file()]
        if not masks:
            self.bare.append(picture)
            return None
        for mask in masks:
            pixels, shape = read_png(mask), read_png(picture).shape
            if pixels.shape[:2] != shape[:2]:
                size, other = (f'{found[1]}x{found[0]}' for found in (pixels.shape, shape))
                raise UsageError(f'{mask} is {size} pixels, but {picture} is {other}.')
            if not MoonClasses.is_grey(pixels):
                return mask
        self.grey.append(picture)
        return None


def convert_lunar(source, out, overwrite=False, pebbles=True):
    """Write binary and multi-class sets, of renders and of photographs, and count the pairs of each folder written.

    Every set has `images/render/render<name>.png`, copied byte for byte, and `images/ground/ground<name>.png`. Binary
    masks hold 0 and 255 (any rock), multi-class masks 0 ground, 1 sky, 2 small rock, 3 large rock. Errors are those of
    `write_missing`.

    Args:
        source: A `LunarSource`.
        out: Folder for the sets.
        overwrite: Whether to replace files that differ from what would be written.
        pebbles: Whether binary masks from `ground` keep what `clean` ones leave out.
    """

    def draw(mask, binary):
        found = MoonClasses.read_colours(read_png(mask))
        if binary:
            found = MoonClasses.rocks(found)
            if not pebbles and mask.parent.name == 'ground':
                found = without_pebbles(found)
        return encode_png(found)

    groups = {'MOON_SEGMENTATION': source.renders, 'MOON_PHOTOS': source.photos}
    files, written = [], {}
    for prefix, pairs in groups.items():
        for kind in ('BINARY', 'MULTICLASS'):
            folder = Path(out, f'{prefix}_{kind}')
            for name, picture, mask in pairs:
                files.append((folder / f'images/render/render{name}.png', picture.read_bytes))
                files.append((folder / f'images/ground/ground{name}.png', partial(draw, mask, kind == 'BINARY')))
                written[folder] = len(pairs)
    write_missing(files, overwrite)
    return written


def write_missing(files, overwrite):
    """Write what is not there yet, and return the number of files written.

    Raises a UsageError if a file exists with other content, and none has been written, or a source file cannot be read.

    Args:
        files: Of each its path, and a function that gives its bytes.
        overwrite: Whether to replace files that have other content.
    """
    # all conflicts first: half a set of new files among old ones would be worse than none
    missing = []
    for path, content in progress(files, 'Checking what is there'):
        if not path.exists():
            missing.append((path, content))
        elif path.read_bytes() != content():
            if not overwrite:
                raise UsageError(
                    f'{path} exists with other content: choose another --out, or replace it with --overwrite.'
                )
            missing.append((path, content))
    for path, content in progress(missing, 'Writing'):
        write_atomically(path, content(), sync=False)
    return len(missing)

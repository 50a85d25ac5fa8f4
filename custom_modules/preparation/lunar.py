"""The public Artificial Lunar Landscape set."""

import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np

from custom_modules.preparation.synthetic.rocks import without_pebbles
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import atomic_path, write_atomically
from custom_modules.utils.images import PngFile
from custom_modules.utils.tables import progress

OTHER_CONTENT = 'exists with other content: choose another --out, or replace it with --overwrite.'


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
        """Turn a coloured mask, (height, width, 3 or 4) uint8 BGR, into class numbers, (height, width) uint8.

        The public masks are anti-aliased, and in one kind colours fade with distance. So the
        channel decides the class, and a pixel belongs to an object where it has at least a quarter
        of the object's own brightness, which is the brightest value nearby: the soft edge of a near
        rock ends at the same contour as in the binary masks that circulate with the set (those cut
        at 64 of 255), and a faint far rock is still a rock.

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


class LunarSource:
    """Pairs of pictures and coloured masks in the Artificial Lunar Landscape layout.

    Looks for `images/render/render0001.png` with `images/clean/clean0001.png` (preferred) or
    `images/ground/ground0001.png`, and for `real_moon_images/PCAM1.png` or `TCAM1.png` with
    `g_PCAM1.png`. Every mask is read here already, so that a bad one is found before anything is
    written. Source: R. Pessia and G. Ishigami, Keio University, CC BY-NC-SA 4.0.

    Args:
        folder: Folder that holds `images` and, or, `real_moon_images`.
        only: 'clean' or 'ground', to take only renders whose mask is of this kind; None takes all.

    Attributes:
        renders: List of (name such as '0001', picture path, mask path).
        photos: The same for photographs, with names such as 'PCAM1'.
        kinds: Number of renders by kind of mask, 'clean' and 'ground'.
        bare: Pictures without any mask.
        grey: Pictures whose only mask is black and white.

    Raises:
        UsageError: The folder is missing, or holds no picture with a coloured mask;
            a file is no whole PNG; a mask has another size than its picture.
    """

    def __init__(self, folder, only=None):
        self.folder, self.only = Path(folder), only
        if not self.folder.is_dir():
            raise UsageError(f'{self.folder} is not a folder.')
        self.renders, self.photos = [], []
        self.kinds = {'clean': 0, 'ground': 0}
        self.bare, self.grey = [], []
        self._find_renders()
        self._find_photos()
        if not self.renders and not self.photos:
            self._complain()

    def _find_renders(self):
        images = self.folder / 'images'
        pictures = sorted(images.glob('render/render*.png'))
        for picture in progress(pictures, 'Checking masks'):
            name = picture.stem.removeprefix('render')
            masks = [images / kind / f'{kind}{name}.png' for kind in self.kinds]
            mask = self._first_coloured(picture, masks)
            if mask is not None and self.only in (None, mask.parent.name):
                self.renders.append((name, picture, mask))
                self.kinds[mask.parent.name] += 1

    def _find_photos(self):
        photos = self.folder / 'real_moon_images'
        for picture in sorted(photos.glob('*.png')):
            if re.fullmatch(r'[PT]CAM\d+', picture.stem):
                mask = self._first_coloured(picture, [photos / f'g_{picture.name}'])
                if mask is not None:
                    self.photos.append((picture.stem, picture, mask))

    def _first_coloured(self, picture, masks):
        masks = [mask for mask in masks if mask.is_file()]
        if not masks:
            self.bare.append(picture)
            return None
        for mask in masks:
            pixels, size = PngFile(mask).read(), PngFile(picture).size()
            if pixels.shape[1::-1] != size:
                sizes = f'{pixels.shape[1]}x{pixels.shape[0]} pixels, but {picture} is {size[0]}x{size[1]}'
                raise UsageError(f'{mask} is {sizes}.')
            if not MoonClasses.is_grey(pixels):
                return mask
        self.grey.append(picture)
        return None

    def _complain(self):
        if self.grey:
            raise UsageError(
                f'{self.folder} holds black-and-white masks only ({len(self.grey)}), which do not '
                'tell small rocks from large ones or the sky: use it as it is, with MOON_DATA='
                f'{self.folder}.'
            )
        if self.bare:
            raise UsageError(
                f'{self.folder} holds {len(self.bare)} pictures, but no mask in images/clean, '
                'images/ground or real_moon_images for any of them.'
            )
        raise UsageError(
            f'{self.folder} holds neither images/render/render*.png nor '
            'real_moon_images/PCAM*.png or TCAM*.png.'
        )


class LunarConverter:
    """Writes binary and multi-class sets, of renders and of photographs.

    Every set has `images/render/render<name>.png` and `images/ground/ground<name>.png`. Binary
    masks hold 0 and 255 (any rock), multi-class masks 0 ground, 1 sky, 2 small rock, 3 large rock.
    Pictures are copied byte for byte; the second set shares them by hard link where the disk can.

    Args:
        source: A `LunarSource`.
        out: Folder for the sets.
        overwrite: Whether to replace files that differ from what would be written.
        pebbles: Whether binary masks from `ground` keep what `clean` ones leave out.
    """

    def __init__(self, source, out, overwrite=False, pebbles=True):
        self.source, self.out = source, Path(out)
        self.overwrite, self.pebbles = overwrite, pebbles

    def convert(self):
        """Write all sets, and return the number of pairs of each folder written.

        Raises:
            UsageError: A file exists with other content, or a source file cannot be read.
        """
        groups = {'MOON_SEGMENTATION': self.source.renders, 'MOON_PHOTOS': self.source.photos}
        # All conflicts first: half a set of new files among old ones would be worse than none.
        for prefix, pairs in groups.items():
            if not self.overwrite:
                for pair in progress(pairs, 'Checking what is there'):
                    self._refuse_conflicts(prefix, *pair)
        written = {}
        for prefix, pairs in groups.items():
            for pair in progress(pairs, f'Writing {prefix}'):
                self._write(prefix, *pair)
            for kind in ('BINARY', 'MULTICLASS') if pairs else ():
                written[self.out / f'{prefix}_{kind}'] = len(pairs)
        return written

    def _targets(self, prefix, name):
        sets = [self.out / f'{prefix}_{kind}' / 'images' for kind in ('BINARY', 'MULTICLASS')]
        pictures = [images / 'render' / f'render{name}.png' for images in sets]
        return pictures, [images / 'ground' / f'ground{name}.png' for images in sets]

    def _masks(self, mask):
        classes = MoonClasses.read_colours(PngFile(mask).read())
        rocks = MoonClasses.rocks(classes)
        if not self.pebbles and mask.parent.name == 'ground':
            rocks = without_pebbles(rocks)
        return rocks, classes

    def _refuse_conflicts(self, prefix, name, picture, mask):
        pictures, masks = self._targets(prefix, name)
        conflicts = [p for p in pictures if p.exists() and not self._same_file(p, picture)]
        if any(path.exists() for path in masks):
            for path, wanted in zip(masks, self._masks(mask), strict=True):
                if path.exists() and not self._same_pixels(path, wanted):
                    conflicts.append(path)
        if conflicts:
            raise UsageError(f'{conflicts[0]} {OTHER_CONTENT}')

    def _write(self, prefix, name, picture, mask):
        pictures, masks = self._targets(prefix, name)
        if not self._same_file(pictures[0], picture):
            write_atomically(pictures[0], picture.read_bytes(), sync=False)
        if not self._same_file(pictures[1], picture):
            self._link(pictures[0], pictures[1])
        for path, pixels in zip(masks, self._masks(mask), strict=True):
            if not (path.exists() and self._same_pixels(path, pixels)):
                PngFile(path).write(pixels)

    @staticmethod
    def _same_file(path, other):
        return path.exists() and path.read_bytes() == other.read_bytes()

    @staticmethod
    def _same_pixels(path, wanted):
        # Pixels, not bytes: another version of OpenCV may pack the same mask differently.
        try:
            found = PngFile(path).read()
        except UsageError:
            return False
        return found.shape == wanted.shape and bool((found == wanted).all())

    @staticmethod
    def _link(path, other):
        with atomic_path(other) as unfinished:
            try:
                os.link(path, unfinished)
            except OSError:
                shutil.copyfile(path, unfinished)

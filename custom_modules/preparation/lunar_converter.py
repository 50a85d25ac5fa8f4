"""From the public lunar set's own layout to the layouts that training reads."""

import os
import shutil
from pathlib import Path

from custom_modules.preparation.moon_classes import MoonClasses
from custom_modules.preparation.png_file import PngFile
from custom_modules.preparation.progress import progress
from custom_modules.preparation.without_pebbles import without_pebbles
from custom_modules.usage_error import UsageError


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
        self.source = source
        self.out = Path(out)
        self.overwrite = overwrite
        self.pebbles = pebbles

    def convert(self):
        """Write all sets.

        Returns:
            Dict from each folder written to its number of pairs.

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
        binary, multiclass = (
            self.out / f'{prefix}_{kind}' / 'images' for kind in ('BINARY', 'MULTICLASS')
        )
        pictures = [images / 'render' / f'render{name}.png' for images in (binary, multiclass)]
        masks = [images / 'ground' / f'ground{name}.png' for images in (binary, multiclass)]
        return pictures, masks

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
            pixels = self._masks(mask)
            conflicts += [
                path
                for path, wanted in zip(masks, pixels, strict=True)
                if path.exists() and not self._same_pixels(path, wanted)
            ]
        if conflicts:
            raise UsageError(
                f'{conflicts[0]} exists with other content: choose another --out, '
                'or replace it with --overwrite.'
            )

    def _write(self, prefix, name, picture, mask):
        pictures, masks = self._targets(prefix, name)
        if not self._same_file(pictures[0], picture):
            PngFile(pictures[0]).write_bytes(picture.read_bytes())
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
        other.parent.mkdir(parents=True, exist_ok=True)
        unfinished = other.with_name(f'.{other.name}.{os.getpid()}.tmp')
        try:
            try:
                os.link(path, unfinished)
            except OSError:
                shutil.copyfile(path, unfinished)
            os.replace(unfinished, other)
        finally:
            unfinished.unlink(missing_ok=True)

"""What a folder in the public lunar set's own layout holds."""

import re
from pathlib import Path

from custom_modules.preparation.moon_classes import MoonClasses
from custom_modules.preparation.png_file import PngFile
from custom_modules.preparation.progress import progress
from custom_modules.usage_error import UsageError


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
                raise UsageError(
                    f'{mask} is {pixels.shape[1]}x{pixels.shape[0]} pixels, but {picture} is '
                    f'{size[0]}x{size[1]}.'
                )
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

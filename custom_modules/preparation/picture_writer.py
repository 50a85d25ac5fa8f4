"""The files of one synthetic picture."""

from pathlib import Path

import cv2

from custom_modules.preparation.moon_classes import MoonClasses
from custom_modules.preparation.moon_renderer import MoonRenderer
from custom_modules.preparation.png_file import PngFile


class PictureWriter:
    """Renders numbered pictures into a folder; can be sent to another process.

    Args:
        out: Folder of the set.
        seed: Seed of the set.
        size: Width and height in pixels.
        style: Style of the pictures, one of `Look.STYLES`.
        min_rock: Least area of a labelled rock, see `Scene.mask`.
    """

    KINDS = ('render', 'clean', 'ground')

    def __init__(self, out, seed, size, style='mixed', min_rock=MoonRenderer.MIN_ROCK):
        self.out = Path(out)
        self.renderer = MoonRenderer(seed, size, style, min_rock)

    def paths(self, number):
        """Return the three paths of a picture: render, coloured mask, binary mask."""
        return [self.out / 'images' / kind / f'{kind}{number:04d}.png' for kind in self.KINDS]

    def is_there(self, number):
        """Tell whether all files of a picture exist."""
        return all(path.is_file() for path in self.paths(number))

    def write(self, number):
        """Render one picture and write its three files.

        Args:
            number: Number of the picture, from 1.
        """
        # One thread: several processes already share the cores.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            picture, classes = self.renderer.render(number)
        finally:
            cv2.setNumThreads(threads)
        masks = MoonClasses.paint(classes), MoonClasses.rocks(classes)
        for path, pixels in zip(self.paths(number), (picture, *masks), strict=True):
            PngFile(path).write(pixels)

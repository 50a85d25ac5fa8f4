"""From a COCO json to a folder of images and index masks."""

from functools import partial
from pathlib import Path, PureWindowsPath

from custom_modules.preparation.image_size import image_size
from custom_modules.preparation.png_file import PngFile
from custom_modules.preparation.progress import progress
from custom_modules.usage_error import UsageError


class CocoToMasks:
    """Writes `masks/<file name>.png`, `classes.txt`, and with a source of images `images/` too.

    A mask holds 0 for background and 1 to N for the categories in the order of their ids;
    `classes.txt` names index 0 in its first line, 1 in its second, and so on. Images are copied byte
    for byte, sub-folders of the json's file names are kept. Files that are there already stay as they are,
    so that an interrupted run goes on.

    Args:
        coco: A `CocoFile`.
        out: Folder to write to.
        images: Folder of the images; by default none are copied.
        overwrite: Whether to replace files that differ from what would be written.

    Raises:
        UsageError: A file name leads outside of `out`, two images share a mask, or an image is
            missing or has another size than the json says.
    """

    def __init__(self, coco, out, images=None, overwrite=False):
        self.coco = coco
        self.out = Path(out)
        self.images = None if images is None else Path(images)
        self.overwrite = overwrite
        if self.images is not None and not self.images.is_dir():
            raise UsageError(f'{self.images} is not a folder.')
        self._check_names()
        if self.images is not None:
            for image in progress(coco.images, 'Checking images'):
                self._check_size(image)

    def convert(self):
        """Write what is missing.

        Returns:
            Number of files written; 0 when there was nothing to do.

        Raises:
            UsageError: A file exists with other content.
        """
        # All conflicts first: half a set of new files among old ones would be worse than none.
        missing = []
        for path, content in progress(list(self._files()), 'Checking what is there'):
            if path.exists():
                if path.read_bytes() == content():
                    continue
                if not self.overwrite:
                    raise UsageError(
                        f'{path} exists with other content: choose another --out, or replace it with '
                        '--overwrite.'
                    )
            missing.append((path, content))
        for path, content in progress(missing, 'Writing'):
            PngFile(path).write_bytes(content())  # of any content: whole, or not there at all
        return len(missing)

    def _files(self):
        classes = '\n'.join([*self.coco.names, '']).encode()
        yield self.out / 'classes.txt', lambda: classes
        for image in self.coco.images:
            name = image['file_name']
            if self.images is not None:
                yield self.out / 'images' / name, (self.images / name).read_bytes
            yield (self.out / 'masks' / name).with_suffix('.png'), partial(self._mask, image)

    def _mask(self, image):
        return PngFile.encode(self.coco.draw(image))

    def _check_names(self):
        masks = {}
        for image in self.coco.images:
            name = image['file_name']
            # As strict as the strictest system: a backslash or a drive means a path on Windows.
            path = PureWindowsPath(name)
            if not path.name or path.anchor or '..' in path.parts or '\\' in name or '\0' in name:
                raise UsageError(
                    f'{self.coco.path} is refused: its file name {name!r} does not lead to a file inside '
                    'the target folder; name images as in 0001.jpg or val/0001.jpg.'
                )
            mask = path.with_suffix('.png')
            if mask in masks:
                raise UsageError(
                    f'{self.coco.path} has images {masks[mask]!r} and {name!r}, whose masks would be one '
                    'file: rename one of them.'
                )
            masks[mask] = name

    def _check_size(self, image):
        path = self.images / image['file_name']
        if not path.is_file():
            raise UsageError(
                f'{path} is not there, but {self.coco.path} has it among its {len(self.coco.images)} images: '
                'choose another --images, or leave --images out for masks only.'
            )
        found, expected = image_size(path), (image['width'], image['height'])
        if found != expected:
            sizes = '{}x{} pixels, but {}x{}'.format(*found, *expected)
            raise UsageError(
                f'{path} is {sizes} in {self.coco.path}: take the images that were annotated.'
            )

"""From index masks to a COCO json."""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as rle_tools

from custom_modules.preparation.image_size import image_size
from custom_modules.preparation.png_file import PngFile
from custom_modules.preparation.progress import progress
from custom_modules.usage_error import UsageError


class MasksToCoco:
    """Reads index masks and writes them as a COCO json.

    Index 0 is background, index k becomes category k. Every connected component (of 8 neighbours) of
    a class is one annotation with compressed run lengths, so that the way back is exact.

    Args:
        source: `MaskPairs`.
        names: Class names in the order of the indices, background first.

    Raises:
        UsageError: The names are fewer than two, more than a mask holds, or not different.
    """

    MOST = 255

    def __init__(self, source, names):
        self.source = source
        self.names = list(names)
        if not 2 <= len(self.names) <= self.MOST or len(set(self.names)) < len(self.names):
            raise UsageError(
                f'2 to {self.MOST} different class names are needed, background first, not '
                f'{len(self.names)} ({", ".join(self.names[:5])}): name them with --classes.'
            )

    def write(self, out, overwrite=False):
        """Write the json, all or nothing.

        Args:
            out: Path of the json.
            overwrite: Whether to replace another file of that name.

        Returns:
            The json's content.

        Raises:
            UsageError: The file exists with other content; or a mask or image cannot be read, has
                several channels, another size than its image, or an index without a name.
        """
        coco = self.read()
        content = json.dumps(coco).encode()
        out = Path(out)
        if out.exists() and not overwrite and out.read_bytes() != content:
            raise UsageError(
                f'{out} exists with other content: choose another --out, or replace it with '
                '--overwrite.'
            )
        PngFile(out).write_bytes(content)  # of any content: whole, or not there at all
        return coco

    def read(self):
        """Return what the json holds; for the errors see `write`."""
        images, annotations = [], []
        pairs = progress(self.source.pairs, 'Reading masks')
        for number, (image, mask) in enumerate(pairs, 1):
            indices = self._indices(mask, image)
            height, width = indices.shape
            name = image.relative_to(self.source.images).as_posix()
            images.append(dict(id=number, file_name=name, width=width, height=height))
            for shape in self._components(indices):
                annotations.append(dict(id=len(annotations) + 1, image_id=number, **shape))
        numbered = list(enumerate(self.names))[1:]
        categories = [dict(id=i, name=name, supercategory='') for i, name in numbered]
        return dict(images=images, categories=categories, annotations=annotations)

    def _indices(self, path, image):
        try:
            # Pillow keeps the indices of a palette, where OpenCV makes them colours.
            with Image.open(path) as picture:
                indices = np.asarray(picture)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UsageError(f'{path} cannot be read as a mask: {error}.') from error
        if indices.ndim != 2:
            raise UsageError(
                f'{path} has {indices.shape[2]} channels, but an index mask has one: convert its colours '
                'to indices first.'
            )
        size, expected = indices.shape[::-1], image_size(image)
        if size != expected:
            sizes = '{}x{} pixels, but {} is {}x{}'.format(*size, image, *expected)
            raise UsageError(f'{path} is {sizes}: resize the mask with nearest neighbour.')
        if indices.max() >= len(self.names):
            raise UsageError(
                f'{path} holds index {indices.max()}, but the last of {len(self.names)} classes is '
                f'{len(self.names) - 1}, {self.names[-1]!r}: name all with --classes, and save a mask of 0 '
                'and 255 as 0 and 1.'
            )
        return indices.astype(np.uint8)

    @staticmethod
    def _components(indices):
        for index in np.unique(indices[indices > 0]).tolist():
            count, labels = cv2.connectedComponents((indices == index).astype(np.uint8))
            for label in range(1, count):
                rle = rle_tools.encode(np.asfortranarray(labels == label, np.uint8))
                yield dict(
                    category_id=index,
                    segmentation=dict(size=rle['size'], counts=rle['counts'].decode()),
                    area=int(rle_tools.area(rle)),
                    bbox=rle_tools.toBbox(rle).tolist(),
                    iscrowd=0,
                )

"""COCO annotations to masks and back."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle_tools

from custom_modules.preparation.lunar import write_missing
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import image_size, orientation, read_mask
from custom_modules.utils.tables import progress


class MaskPairs:
    """Finds `pairs` of image and mask, `<img_prefix>0001.png` (`.jpg`, `.jpeg`) and `<mask_prefix>0001.png`, sub-folders included.

    `unused` are the other files.

    Raises:
        UsageError: A folder is missing or holds none, an image or a mask stands alone, or two
            images share a mask.
    """

    SUFFIXES = ('.png', '.jpg', '.jpeg')

    def __init__(self, images, masks, img_prefix='', mask_prefix=''):
        self.images = Path(images)
        self.unused = []
        found = self._find(self.images, img_prefix, self.SUFFIXES)
        drawn = self._find(Path(masks), mask_prefix, self.SUFFIXES[:1])
        lonely_images, lonely_masks = found.keys() - drawn, drawn.keys() - found
        if alone := sorted(lonely_images or lonely_masks):
            what = 'images have no mask' if lonely_images else 'masks have no image'
            raise UsageError(
                f'{len(alone)} {what} in {images} and {masks} ({", ".join(alone[:5])}): add what '
                'is missing, or name the prefixes with --img-prefix and --mask-prefix.'
            )
        self.pairs = [(found[name], drawn[name]) for name in sorted(found)]

    def _find(self, folder, prefix, suffixes):
        if not folder.is_dir():
            raise UsageError(f'{folder} is not a folder.')
        found = {}
        for path in sorted(folder.rglob('[!.]*')):
            stem = path.stem.removeprefix(prefix)
            name = (path.relative_to(folder).parent / stem).as_posix()
            if not path.is_file():
                continue
            if not path.stem.startswith(prefix) or not stem or path.suffix.lower() not in suffixes:
                self.unused.append(path)
            elif name in found:
                both = f'{found[name]} and {path}'
                raise UsageError(f'{both} would share a mask: rename one of them.')
            else:
                found[name] = path
        if not found:
            endings = ' or '.join(suffixes)
            raise UsageError(f'{folder} holds no file named {prefix}* with the ending {endings}.')
        return found


class CocoToMasks:
    """Writes `masks/<file name>.png`, `classes.txt`, and with a source of images `images/` too, byte for byte.

    A mask holds 0 for background and 1 to N for the categories in the order of their ids, which are the lines of
    `classes.txt`. Sub-folders of the json's file names are kept, and files that are there already, so that an interrupted run goes on.

    Args:
        coco: A `CocoFile`; what is left out here is added to its list.
        out: Folder to write to.
        images: Folder of the images; by default none are copied.
        overwrite: Whether to replace files that differ from what would be written.

    Raises:
        UsageError: No image is there with the size that the json says.
    """

    def __init__(self, coco, out, images=None, overwrite=False):
        self.coco = coco
        self.out = Path(out)
        self.images = None if images is None else Path(images)
        self.overwrite = overwrite
        if self.images is not None and not self.images.is_dir():
            raise UsageError(f'{self.images} is not a folder.')
        # the entry, where its image lies, and what its files are named
        self._jobs, taken, complaints = [], set(), []
        for image in progress(coco.images, 'Checking images'):
            source = None if self.images is None else self._source(image)
            if source is not None and (complaint := self._complaint(source, image)):
                complaints.append(complaint)
            else:
                self._jobs.append((image, source, self._free_name(image, taken)))
        if not self._jobs:
            raise UsageError(
                f'{self.images} has none of the {len(complaints)} images of {coco.path}: {complaints[0][1]}.'
            )
        for what, details in complaints:
            coco.left_out[what].append(details)

    @property
    def masks(self):
        """Number of masks that are, or will be, in the folder."""
        return len(self._jobs)

    def convert(self):
        """Write what is missing, and return the number of files written; a UsageError if one exists with other content."""
        return write_missing(list(self._files()), self.overwrite)

    def _files(self):
        classes = '\n'.join([*self.coco.names, '']).encode()
        yield self.out / 'classes.txt', lambda: classes
        for image, source, name in self._jobs:
            if source is not None:
                yield self.out / 'images' / name, source.read_bytes
            mask = (self.out / 'masks' / name).with_suffix('.png')
            yield mask, partial(self.coco.draw, image)

    def _free_name(self, image, taken):
        """Give images of one name, such as a.jpg and a.png, masks of their own."""
        path = name = Path(image['file_name'])
        number = 1
        while name.with_suffix('') in taken:
            number += 1
            name = path.with_stem(f'{path.stem}_{number}')
        taken.add(name.with_suffix(''))
        if name != path:
            kind = 'file names that another image has, and that were changed'
            self.coco.left_out[kind].append(f'{image["given"]} to {name.as_posix()}')
        return name

    def _source(self, image):
        """Find an image by its name, or by as much of the end of its path as there is below the folder."""
        parts = [part for part in image['given'].replace('\\', '/').split('/') if part]
        tails = [parts[i:] for i in range(len(parts)) if '..' not in parts[i:]]
        places = (self.images.joinpath(*tail) for tail in tails if ':' not in tail[0])
        return next((p for p in places if p.is_file()), self.images / image['file_name'])

    def _complaint(self, path, image):
        """Say what is wrong with an image, of which kind and in words; None if nothing. An unproven turn is noted."""
        if not path.is_file():
            return 'images that are not there', f'{path} is not there'
        try:
            found, turn = image_size(path), orientation(path)
        except UsageError as error:
            return 'images that cannot be read', f'{path} cannot be read ({error.reason})'
        expected = image['width'], image['height']
        if found == expected:
            if turn in (2, 3, 4) or (turn >= 5 and found[0] == found[1]):
                kind = 'images that their EXIF tag turns, while their size does not tell whether they were drawn so, which is assumed'
                self.coco.left_out[kind].append(str(path))
            return None
        details = '{} is {}x{} pixels, but {}x{} in the json'.format(path, *found, *expected)
        if found == expected[::-1] and turn >= 5:
            details += (
                ', which was drawn before its EXIF tag turns it: remove the tag, as with `exiftool -Orientation= FILES`'
            )
        return 'images of another size than in the json', details


class MasksToCoco:
    """Reads the index masks of `MaskPairs` and writes them as a COCO json.

    Index k becomes category k, named by `names`, the background first. Every connected component (of 8 neighbours) of a class is
    one annotation with compressed run lengths, so that the way back is exact.

    Raises:
        UsageError: The names are fewer than two, more than a mask holds, or not different.
    """

    MOST = 255

    def __init__(self, source, names):
        self.source, self.names = source, list(names)
        if not 2 <= len(self.names) <= self.MOST or len(set(self.names)) < len(self.names):
            raise UsageError(
                f'2 to {self.MOST} different class names are needed, background first, not '
                f'{len(self.names)} ({", ".join(self.names[:5])}): name them with --classes.'
            )

    def write(self, out, overwrite=False):
        """Write the json, all or nothing, and return its content.

        Raises:
            UsageError: The file exists with other content; or a mask or image cannot be read, has
                several channels, another size than its image, or an index without a name.
        """
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
        coco = dict(images=images, categories=categories, annotations=annotations)
        content = json.dumps(coco).encode()
        write_missing([(Path(out), lambda: content)], overwrite)
        return coco

    def _indices(self, path, image):
        indices = read_mask(path)
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

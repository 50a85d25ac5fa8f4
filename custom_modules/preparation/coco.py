"""COCO annotations to masks and back."""

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle_tools

from custom_modules.preparation.lunar import write_missing
from custom_modules.utils.decoding import orientation
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import SUFFIXES, encode_png, image_size, read_mask
from custom_modules.utils.tables import progress

TURNED = 'images that their EXIF tag turns, while their size does not tell whether they were drawn so, which is assumed'
MOST_CLASSES = 255


def mask_pairs(images, masks, img_prefix='', mask_prefix=''):
    """Find pairs of image and mask, `<img_prefix>0001.jpg` and `<mask_prefix>0001.png` or other formats, sub-folders included.

    Returns the pairs, sorted by name, and the files that are neither. Raises a UsageError if a folder is missing or holds
    none, an image or a mask has no partner, or two images share a mask.
    """
    unused = []
    image_of = files_by_name(Path(images), img_prefix, unused)
    mask_of = files_by_name(Path(masks), mask_prefix, unused)
    without_mask, without_image = image_of.keys() - mask_of, mask_of.keys() - image_of
    if unpaired := sorted(without_mask or without_image):
        what = 'images have no mask' if without_mask else 'masks have no image'
        raise UsageError(
            f'{len(unpaired)} {what} in {images} and {masks} ({", ".join(unpaired[:5])}): add what '
            'is missing, or name the prefixes with --img-prefix and --mask-prefix.'
        )
    return [(image_of[name], mask_of[name]) for name in sorted(image_of)], unused


def files_by_name(folder, prefix='', unused=None):
    """Map the names below a folder, without prefix and ending, to image files; others are added to `unused`.

    Raises a UsageError if there is no folder, two names are equal, or nothing is found.
    """
    if not folder.is_dir():
        raise UsageError(f'{folder} is not a folder.')
    found, unused = {}, [] if unused is None else unused
    for path in sorted(path for path in folder.rglob('[!.]*') if path.is_file()):
        stem = path.stem.removeprefix(prefix)
        name = (path.relative_to(folder).parent / stem).as_posix()
        if not path.stem.startswith(prefix) or not stem or path.suffix.lower() not in SUFFIXES:
            unused.append(path)
        elif name in found:
            raise UsageError(f'{found[name]} and {path} would share a mask: rename one of them.')
        else:
            found[name] = path
    if not found:
        raise UsageError(f'{folder} holds no file named {prefix}* with the ending {" or ".join(SUFFIXES)}.')
    return found


def coco_to_masks(coco, out, images=None, overwrite=False):
    """Write `masks/<file name>.png`, `classes.txt`, and with a folder of `images` these too, byte for byte.

    A mask holds 0 for background and 1 to N for the categories in the order of their ids, which are the lines of
    `classes.txt`. Sub-folders in the json's file names are kept. Existing files are kept too, so an interrupted run can
    be continued. Returns the number of files written and the number of masks that exist now. Raises a UsageError if no
    image exists with the size given in the json, or a file exists with other content.

    Args:
        coco: A `CocoFile`; images that are left out here are added to its `left_out`.
        out: Folder to write to.
        images: Folder of the images; by default none are copied.
        overwrite: Whether to replace files that differ from what would be written.
    """
    if images is not None and not Path(images).is_dir():
        raise UsageError(f'{images} is not a folder.')
    classes = '\n'.join([*coco.names, '']).encode()
    files = [(Path(out, 'classes.txt'), lambda: classes)]
    taken, problems, owner = set(), [], {}
    for image in progress(coco.images, 'Checking images'):
        source = None if images is None else _image_path(Path(images), image)
        if source is not None:
            if problem := _image_problem(source, image, coco):
                problems.append(problem)
                continue
            other = owner.setdefault(source, image['given'])
            if other != image['given']:
                raise UsageError(
                    f'{source} would be the image of both {other} and {image["given"]}: name the folder above it with --images.'
                )
        # a.jpg and a.png each need a mask of their own
        path = name = Path(image['file_name'])
        numbers = itertools.count(2)
        while name.with_suffix('') in taken:
            name = path.with_stem(f'{path.stem}_{next(numbers)}')
        taken.add(name.with_suffix(''))
        if name != path:
            kind = 'file names that another image has, and that were changed'
            coco.left_out[kind].append(f'{image["given"]} to {name.as_posix()}')
        if source is not None:
            files.append((Path(out, 'images', name), source.read_bytes))
        files.append((Path(out, 'masks', name).with_suffix('.png'), lambda image=image: encode_png(coco.draw(image))))
    if not taken:
        raise UsageError(f'{images} has none of the {len(problems)} images of {coco.path}: {problems[0][1]}.')
    for what, details in problems:
        coco.left_out[what].append(details)
    return write_missing(files, overwrite), len(taken)


def _image_path(folder, image):
    """Find an image by the longest tail of its path that exists below the folder."""
    parts = [part for part in image['given'].replace('\\', '/').split('/') if part]
    tails = [parts[i:] for i in range(len(parts)) if '..' not in parts[i:]]
    candidates = (folder.joinpath(*tail) for tail in tails if ':' not in tail[0])
    return next((path for path in candidates if path.is_file()), folder / image['file_name'])


def _image_problem(path, image, coco):
    """Return the kind of problem of an image and its details, or None; an EXIF rotation that cannot be verified is noted in `coco`."""
    if not path.is_file():
        return 'images that are not there', f'{path} is not there'
    try:
        found, tag = image_size(path), orientation(path.read_bytes())
    except UsageError as error:
        return 'images that cannot be read', f'{path} cannot be read ({error.reason})'
    expected = image['width'], image['height']
    if found == expected:
        if tag in (2, 3, 4) or (tag >= 5 and found[0] == found[1]):
            coco.left_out[TURNED].append(str(path))
        return None
    details = '{} is {}x{} pixels, but {}x{} in the json'.format(path, *found, *expected)
    if found == expected[::-1] and tag >= 5:
        details += ', which was drawn before its EXIF tag turns it: remove the tag, as with `exiftool -Orientation= FILES`'
    return 'images of another size than in the json', details


def masks_to_coco(pairs, root, names, out, overwrite=False):
    """Write index masks as a COCO json, atomically, and return its content.

    Index k becomes category k. Every connected component (of 8 neighbours) of a class is one annotation with compressed
    run lengths, so that the conversion is lossless. Raises a UsageError if there are fewer than two names, more than a
    mask holds, or duplicates; the file exists with other content; or a mask or image cannot be read, has several
    channels, another size than its image, or an index without a name.

    Args:
        pairs: Image and mask paths, see `mask_pairs`.
        root: Folder that the images' file names are relative to.
        names: Class names by index, the background first.
        out: The json to write.
        overwrite: Whether to replace a json with other content.
    """
    if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise UsageError(
            f'2 to {MOST_CLASSES} different class names are needed, background first, not '
            f'{len(names)} ({", ".join(names[:5])}): name them with --classes.'
        )
    images, annotations = [], []
    for number, (image, mask) in enumerate(progress(pairs, 'Reading masks'), 1):
        indices = _indices(mask, image, names)
        height, width = indices.shape
        name = image.relative_to(root).as_posix()
        images.append(dict(id=number, file_name=name, width=width, height=height))
        for index in np.unique(indices[indices > 0]).tolist():
            count, labels = cv2.connectedComponents((indices == index).astype(np.uint8))
            for label in range(1, count):
                rle = rle_tools.encode(np.asfortranarray(labels == label, np.uint8))
                shape = dict(size=rle['size'], counts=rle['counts'].decode())
                area, bbox = int(rle_tools.area(rle)), rle_tools.toBbox(rle).tolist()
                found = dict(image_id=number, category_id=index, segmentation=shape, area=area, bbox=bbox, iscrowd=0)
                annotations.append(dict(id=len(annotations) + 1, **found))
    categories = [dict(id=i, name=name, supercategory='') for i, name in enumerate(names) if i]
    coco = dict(images=images, categories=categories, annotations=annotations)
    content = json.dumps(coco).encode()
    write_missing([(Path(out), lambda: content)], overwrite)
    return coco


def _indices(path, image, names):
    indices = read_mask(path)
    size, expected = indices.shape[::-1], image_size(image)
    if size != expected:
        sizes = '{}x{} pixels, but {} is {}x{}'.format(*size, image, *expected)
        raise UsageError(f'{path} is {sizes}: resize the mask with nearest neighbour.')
    lowest, highest = indices.min(), indices.max()
    if lowest < 0 or highest >= len(names):
        wrong = lowest if lowest < 0 else highest
        raise UsageError(
            f'{path} holds index {wrong}, but the last of {len(names)} classes is {len(names) - 1}, {names[-1]!r}: '
            'name all with --classes, and save a mask of 0 and 255 as 0 and 1.'
        )
    return indices.astype(np.uint8)

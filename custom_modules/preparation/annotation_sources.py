"""Annotations of labelme and CVAT, brought into the form of a COCO json; what they hold is checked there."""

import base64
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from pycocotools import mask as rle_tools

from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_mask

# shapes of labelme and its kin that enclose what their points go around
POLYGONS = ('polygon', 'rotation', 'oriented_rectangle')


def read_annotations(path):
    """Read a COCO json, a CVAT XML file ("CVAT for images"), or a folder of labelme's json files.

    Returns:
        What the json holds, or lists `images`, `categories` and `annotations` like it; categories of labelme are
        sorted by name, those of CVAT are in the order of its labels.

    Raises:
        ValueError: It cannot be read as what it looks like.
        UsageError: There is no such file, or no annotation in the folder.
    """
    path = Path(path)
    if path.is_dir():
        return _read_labelme(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f'{path} is not a file.') from error
    if path.suffix.lower() == '.xml':
        return _read_cvat(content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'it is no JSON ({str(error)[:80]})') from error


def _in_coco_form(images, shapes, names):
    """Number images and categories; `shapes` are (index of the image, name, kind, segmentation)."""
    names = list(dict.fromkeys([*names, *sorted({name for _, name, _, _ in shapes})]))
    return dict(
        images=[dict(image, id=number) for number, image in enumerate(images)],
        categories=[dict(id=number, name=name) for number, name in enumerate(names)],
        annotations=[
            dict(
                id=k,
                image_id=image,
                category_id=names.index(name),
                segmentation=segmentation,
                # the number is of no file: what a sentence shall say of it
                name=f'{kind} {name} of {images[image]["file_name"]}',
            )
            for k, (image, name, kind, segmentation) in enumerate(shapes, 1)
        ],
    )


def _box(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def _ellipse(centre, radii):
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii


def _turned(points, centre, degrees):
    """Outline points that are turned clockwise, as one sees it."""
    if degrees:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        points = centre + (points - centre) @ np.array([[cos, sin], [-sin, cos]])
    return [points.ravel().tolist()]


def _placed(values, left, top, width, height):
    """Give run lengths of an image in which pixels of a mask lie; None if they reach beyond it."""
    rows, columns = values.shape
    inside = 0 <= left <= width - columns and 0 <= top <= height - rows
    if not inside or width * height > 1 << 30:
        return None
    whole = np.zeros((height, width), np.uint8, order='F')
    whole[top : top + rows, left : left + columns] = values
    rle = rle_tools.encode(whole)
    return dict(size=[height, width], counts=rle['counts'].decode())


def _read_labelme(folder):
    images, shapes = [], []
    for path in sorted(folder.rglob('[!.]*.json')):
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{path.name} is no JSON ({str(error)[:80]})') from error
        if not isinstance(found, dict) or not isinstance(found.get('shapes'), list):
            continue
        sides = dict(width=found.get('imageWidth'), height=found.get('imageHeight'))
        images.append(dict(file_name=found.get('imagePath'), **sides))
        for shape in found['shapes']:
            if isinstance(shape, dict):
                try:
                    outline = _labelme_outline(shape, found)
                except (TypeError, ValueError, OverflowError):
                    outline = None
                kind, name = shape.get('shape_type') or 'polygon', str(shape.get('label'))
                shapes.append((len(images) - 1, name, kind, outline))
    if not images:
        raise UsageError(
            f'{folder} holds no json file of labelme, with shapes: name the folder that does, or a COCO json.'
        )
    return _in_coco_form(images, shapes, [])


def _labelme_outline(shape, image):
    kind = shape.get('shape_type') or 'polygon'
    points = np.asarray(shape.get('points'), float).reshape(-1, 2)
    if kind == 'rectangle' and len(points) >= 2:
        return _box(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    if kind == 'circle' and len(points) == 2:
        return [_ellipse(points[0], np.linalg.norm(points[1] - points[0])).ravel().tolist()]
    if kind == 'mask':
        pixels = read_mask(base64.b64decode(shape.get('mask'))) > 0
        left, top = (int(side) for side in points.min(axis=0))
        return _placed(
            pixels, left, top, int(image.get('imageWidth')), int(image.get('imageHeight'))
        )
    # lines and points enclose nothing
    return [points.ravel().tolist()] if kind in POLYGONS else None


def _read_cvat(content):
    # no file of CVAT's has one; it could make a short file a large one
    if b'<!DOCTYPE' in content or b'<!ENTITY' in content:
        raise ValueError('it declares a document type, which CVAT does not')
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f'it is no XML ({error})') from error
    images, shapes = [], []
    for image in root.iter('image'):
        sides = dict(width=image.get('width'), height=image.get('height'))
        images.append(dict(file_name=image.get('name'), **sides))
        for shape in image:
            if shape.get('label') is not None:
                try:
                    outline = _cvat_outline(shape, image)
                except (TypeError, ValueError, OverflowError):
                    outline = None
                shapes.append((len(images) - 1, shape.get('label'), shape.tag, outline))
    if not images and root.find('track') is not None:
        raise ValueError('it is of a video, while "CVAT for images" is what can be read')
    names = [label.findtext('name') for label in root.iter('label')]
    return _in_coco_form(images, shapes, filter(None, names))


def _cvat_outline(shape, image):
    if shape.tag == 'polygon':
        pairs = [point.split(',') for point in shape.get('points').split(';')]
        return [[number for pair in pairs for number in pair]]
    degrees = float(shape.get('rotation', 0))
    if shape.tag == 'box':
        (corners,) = _box(*(float(shape.get(side)) for side in ('xtl', 'ytl', 'xbr', 'ybr')))
        corners = np.reshape(corners, (4, 2))
        return _turned(corners, corners.mean(axis=0), degrees)
    if shape.tag == 'ellipse':
        x, y, *radii = (float(shape.get(side)) for side in ('cx', 'cy', 'rx', 'ry'))
        centre = np.array([x, y])
        return _turned(_ellipse(centre, radii), centre, degrees)
    if shape.tag != 'mask':
        return None
    left, top, width, height = (int(shape.get(k)) for k in ('left', 'top', 'width', 'height'))
    runs = [int(n) for n in shape.get('rle').split(',')]
    if min(runs) < 0 or sum(runs) != width * height or width * height > 1 << 30:
        return None
    # row by row within its box, background first
    values = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    return _placed(values, left, top, int(image.get('width')), int(image.get('height')))

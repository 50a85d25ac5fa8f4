"""Reads annotations of labelme and CVAT into the structure of a COCO json; `CocoFile` checks their content."""

import base64
import json
import posixpath
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

import numpy as np
from pycocotools import mask as rle_tools

from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_mask

# shape types of labelme and related tools whose points are the corners of an outline
POLYGONS = ('polygon', 'rotation', 'oriented_rectangle')


def read_annotations(path):
    """Read a COCO json, a CVAT XML file ("CVAT for images"), or a folder of labelme json files into the structure of a COCO json.

    Categories of labelme are sorted by name, those of CVAT keep the order of its labels. Raises a ValueError if the content
    is not what the suffix says, and a UsageError if the file does not exist or the folder holds no annotations.
    """
    path = Path(path)
    if path.is_dir():
        return _read_labelme(path)
    if not path.exists():
        raise UsageError(f'{path} is not a file.')
    content = path.read_bytes()
    return _read_cvat(content) if path.suffix.lower() == '.xml' else _read_json(content, 'it')


def _read_json(content, name):
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{name} is no JSON ({str(error)[:80]})') from error


def _as_coco(pictures, names=()):
    """Build a COCO json of pictures (file name, width, height, shapes), whose shapes are (label, type, segmentation, layer)."""
    labels = {label for *_, shapes in pictures for label, *_ in shapes}
    names = list(dict.fromkeys([*names, *sorted(labels)]))
    images, annotations = [], []
    for number, (file_name, width, height, shapes) in enumerate(pictures):
        images.append(dict(id=number, file_name=file_name, width=width, height=height))
        for name, kind, segmentation, layer in shapes:
            found = dict(image_id=number, category_id=names.index(name), segmentation=segmentation, z_order=layer)
            # error messages use the name: the id is not in the user's file
            annotations.append(dict(found, id=len(annotations) + 1, name=f'{kind} {name} of {file_name}'))
    categories = [dict(id=number, name=name) for number, name in enumerate(names)]
    return dict(images=images, categories=categories, annotations=annotations)


def _segmentation(convert, *shape):
    """Convert a shape to a COCO segmentation; None where it is damaged or encloses no area."""
    try:
        return convert(*shape)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None


def _corners(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _ellipse(centre, radii):
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii


def _polygon(points, centre=0, degrees=0):
    # rotated clockwise on the screen, where y points down
    if degrees:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        points = centre + (points - centre) @ np.array([[cos, sin], [-sin, cos]])
    return [points.ravel().tolist()]


def _run_lengths(crop, left, top, width, height):
    """Encode an image of (width, height) that is empty but for the mask `crop`; None if the crop reaches beyond it."""
    rows, columns = crop.shape
    if not (0 <= left <= width - columns and 0 <= top <= height - rows) or width * height > 1 << 30:
        return None
    mask = np.zeros((height, width), np.uint8, order='F')
    mask[top : top + rows, left : left + columns] = crop
    return dict(size=[height, width], counts=rle_tools.encode(mask)['counts'].decode())


def _read_labelme(folder):
    pictures = []
    for path in sorted(folder.rglob('*.json')):
        below = path.relative_to(folder)
        hidden = any(part.startswith('.') for part in below.parts)
        image = None if hidden else _read_json(path.read_bytes(), path.name)
        if isinstance(image, dict) and isinstance(image.get('shapes'), list):
            shapes = []
            for shape in (shape for shape in image['shapes'] if isinstance(shape, dict)):
                kind = shape.get('shape_type') or 'polygon'
                shapes.append((str(shape.get('label')), kind, _segmentation(_from_labelme, kind, shape, image), 0))
            name = image.get('imagePath')
            # relative to its json
            if isinstance(name, str) and not PureWindowsPath(name).anchor:
                name = posixpath.normpath((below.parent / name.replace('\\', '/')).as_posix())
            pictures.append((name, image.get('imageWidth'), image.get('imageHeight'), shapes))
    if not pictures:
        raise UsageError(f'{folder} holds no json file of labelme, with shapes: name one that does, or a COCO json.')
    return _as_coco(pictures)


def _from_labelme(kind, shape, image):
    points = np.asarray(shape.get('points'), float).reshape(-1, 2)
    if kind == 'rectangle' and len(points) >= 2:
        return _polygon(_corners(*points.min(axis=0), *points.max(axis=0)))
    if kind == 'circle' and len(points) == 2:
        return _polygon(_ellipse(points[0], np.linalg.norm(points[1] - points[0])))
    if kind == 'mask':
        crop = read_mask(base64.b64decode(shape.get('mask'))) > 0
        left, top = (int(side) for side in points.min(axis=0))
        return _run_lengths(crop, left, top, int(image.get('imageWidth')), int(image.get('imageHeight')))
    # lines and points enclose no area
    return _polygon(points) if kind in POLYGONS else None


def _read_cvat(content):
    # CVAT writes neither; their entities could expand a small file to gigabytes
    if b'<!DOCTYPE' in content or b'<!ENTITY' in content:
        raise ValueError('it declares a document type, which CVAT does not')
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f'it is no XML ({error})') from error
    pictures, subsets = [], {image.get('subset') for image in root.iter('image')}
    for image in root.iter('image'):
        # the parts of a project may have files of the same names: CVAT's archive has a folder for each part
        folder = f'{image.get("subset")}/' if len(subsets) > 1 and image.get('subset') and image.get('name') else ''
        found = [(shape, _segmentation(_from_cvat, shape, image)) for shape in image.iterfind('*[@label]')]
        shapes = [(shape.get('label'), shape.tag, drawn, shape.get('z_order')) for shape, drawn in found]
        pictures.append((folder + image.get('name', ''), image.get('width'), image.get('height'), shapes))
    if not pictures and root.find('track') is not None:
        raise ValueError('it is of a video, while "CVAT for images" is what can be read')
    return _as_coco(pictures, filter(None, (label.findtext('name') for label in root.iter('label'))))


def _from_cvat(shape, image):
    if shape.tag == 'polygon':
        return [shape.get('points').replace(';', ',').split(',')]
    degrees = float(shape.get('rotation', 0))
    if shape.tag == 'box':
        corners = _corners(*(float(shape.get(side)) for side in ('xtl', 'ytl', 'xbr', 'ybr')))
        return _polygon(corners, corners.mean(axis=0), degrees)
    if shape.tag == 'ellipse':
        x, y, *radii = (float(shape.get(side)) for side in ('cx', 'cy', 'rx', 'ry'))
        return _polygon(_ellipse((x, y), radii), (x, y), degrees)
    if shape.tag != 'mask':
        return None
    left, top, width, height = (int(shape.get(k)) for k in ('left', 'top', 'width', 'height'))
    runs = [int(n) for n in shape.get('rle').split(',')]
    if min(runs) < 0 or sum(runs) != width * height or width * height > 1 << 30:
        return None
    # row by row within its box, background first
    crop = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    return _run_lengths(crop, left, top, int(image.get('width')), int(image.get('height')))

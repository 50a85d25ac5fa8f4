"""Image files: the project's only reader of images and masks, their sizes, PNG encoding, and pictures named on a command line."""

import glob
import math
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePath
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from custom_modules.utils import decoding
from custom_modules.utils.decoding import DAMAGE, PNG, RefusedPixelsError
from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import read_lines

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
AGAIN = 'copy or download it again'
Content = str | Path | bytes  # a file, or its content


class ImageError(UsageError):
    """A file cannot be read as an image or as a mask; ``reason`` and ``remedy`` are parts of the message.

    ``kind`` is ``'unreadable'`` (damaged), ``'several_channels'`` or ``'ambiguous'`` (pixels that could mean several things).
    """

    def __init__(self, message: str, reason: str = '', remedy: str = AGAIN, kind: str = 'unreadable') -> None:
        super().__init__(message)
        self.reason, self.remedy, self.kind = reason or message, remedy, kind


def read_image(source: Content, name: str = '', order: str = 'RGB') -> np.ndarray:
    """Read an image (H, W, 3), uint8; the checks, training, prediction and pictures all use this function.

    It is turned as its EXIF tag says. Grey, palette, CMYK and transparent images become RGB without transparency. More than 8 bits
    are shifted to 8, from the smallest depth of 8, 10, 12, 14 and 16 bits that holds the brightest pixel. Floating-point images
    below 2 are cut at 1, which resizing may overshoot, and scaled by 255. 8-bit RGB and grey PNG and JPEG files give OpenCV's
    pixels. Raises an :class:`ImageError` if it cannot be read, is truncated, or holds NaN or numbers out of range.

    Args:
        source (str | Path | bytes): The file, or its content.
        name (str): Name of the file for error messages, if its content is given.
        order (str): ``'RGB'`` (default) or ``'BGR'``.
    """
    bgr = _decoded(decoding.decode_image, source, name, 'an image')
    # in place: a copy of a large mosaic takes half a gigabyte
    return bgr if order == 'BGR' else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)


def read_mask(source: Content, name: str = '') -> np.ndarray:
    """Read a mask (H, W), uint8, or int32 if a value is below 0 or above 255; every part of the project uses this function.

    It is turned as its EXIF tag says. Grey masks saved with three equal channels or uniform transparency are read as grey. Of a
    palette the indices are read, as in mmseg. A black and white palette in which black is not 0 and white not 1 gives 0 and 255.

    The arguments are those of :func:`read_image`. Raises an :class:`ImageError` also if channels differ, or if it is unclear which
    numbers are meant.
    """
    return _decoded(decoding.decode_mask, source, name, 'a mask')


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Convert RGB (H, W, 3) or grey (H, W), uint8 or uint16, to RGB (H, W, 3), uint8; a UsageError if it is none of these."""
    grey = image.ndim == 2
    if image.dtype == np.uint16:
        image = decoding.to_uint8(image)
    if image.dtype != np.uint8 or not image.size or not (grey or image.shape[2:] == (3,)):
        raise UsageError(f'a picture is RGB (H, W, 3) or grey (H, W), uint8 or uint16, got {image.dtype} {image.shape}.')
    return image[..., None].repeat(3, axis=2) if grey else image


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """Shrink a picture (H, W, 3) by area so that its longer side has at most ``longest`` pixels."""
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    return cv2.resize(image, [max(1, round(scale * side)) for side in image.shape[1::-1]], interpolation=cv2.INTER_AREA)


def mask_palette(source: Content) -> dict[int, tuple[int, int, int]]:
    """Return the RGB colour of each index that occurs in a readable mask; empty if it has no palette."""
    data, _ = file_bytes(source)
    if data.startswith(PNG) and data[25:26] != b'\x03':
        return {}
    with Image.open(BytesIO(data)) as picture:
        return decoding.used_colours(picture, np.asarray(picture)) if picture.mode == 'P' else {}


def image_size(path: str | Path) -> tuple[int, int]:
    """Return width and height of an image, turned as its EXIF tag says, without decoding its pixels.

    Raises an :class:`ImageError` if Pillow cannot read the file, or it is a truncated PNG.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if image.format == 'PNG':
                # Pillow would decode all pixels to look for a tag behind them
                turned = decoding.orientation(Path(path).read_bytes()) >= 5
            else:
                # Pillow has already turned the size of a TIFF
                turned = image.format != 'TIFF' and decoding.orientation_of(image) >= 5
    except DAMAGE as error:
        raise _unreadable(path, 'an image', _words(error)) from error
    return (height, width) if turned else (width, height)


def pixel_count(path: str | Path) -> int:
    """Count the pixels of an image from its header; 0 if it cannot be read."""
    try:
        with Image.open(path) as image:
            return math.prod(image.size)
    except DAMAGE:
        return 0


def file_bytes(source: Content, name: str = '', what: str = 'an image') -> tuple[bytes, str]:
    """Return a file's content, and its name for error messages; an :class:`ImageError` if it cannot be read."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), name or 'the file'
    try:
        return Path(source).read_bytes(), name or str(source)
    except (OSError, ValueError) as error:
        raise _unreadable(source, what, (getattr(error, 'strerror', None) or str(error)).lower()) from error


def _decoded(decode, source: Content, name: str, what: str) -> np.ndarray:
    data, name = file_bytes(source, name, what)
    try:
        if not data:
            raise ValueError('it is empty')
        return decode(data)
    except RefusedPixelsError as error:
        raise _unreadable(name, what, *error.args) from error
    except DAMAGE as error:
        raise _unreadable(name, what, _words(error)) from error


def _unreadable(name, what: str, reason: str, remedy: str = AGAIN, kind: str = 'unreadable') -> ImageError:
    return ImageError(f'{name} cannot be read as {what}: {reason}; {remedy}.', reason, remedy, kind)


def _words(error: Exception) -> str:
    if isinstance(error, cv2.error):
        return 'OpenCV cannot decode it'
    text = str(error).split(" '")[0].replace('cannot identify image file', 'it is no image')
    return (text.split(' <')[0] or type(error).__name__).strip().rstrip('.')


def read_png(path: str | Path) -> np.ndarray:
    """Return the pixels of a PNG as stored, (H, W) or (H, W, channels); an :class:`ImageError` if it is damaged or no PNG."""
    return _decoded(decoding.decode_png, path, '', 'a PNG picture')


def encode_png(pixels: np.ndarray, areas: bool = False) -> bytes:
    """Encode pixels, (H, W) or (H, W, 3) BGR, as PNG; the same pixels give the same bytes.

    ``areas`` suits masks, whose neighbouring pixels are mostly equal: the file is smaller, and written five times as fast.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, 4]
    if areas:
        options += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    return cv2.imencode('.png', pixels, options)[1].tobytes()


class Source(NamedTuple):
    """A picture's file, and its name relative to the folder, pattern or list that led to it, with ``/`` on every system."""

    path: Path
    name: str

    @property
    def stem(self) -> str:
        """The name without its suffix, after which results are named."""
        return PurePath(self.name).with_suffix('').as_posix()


def find_pictures(inputs: Iterable[str], without: Path | None = None) -> list[Source]:
    """Find the pictures that a command line names: each once, in the order of the inputs and of their names.

    Args:
        inputs (Iterable[str]): Files; folders, including sub-folders; patterns such as ``'photos/*.jpg'``; and lists: ``.txt`` files
            with one path per line, relative to the list. A UsageError if an input does not exist, there is no picture at all, or
            two names differ only in the suffix.
        without (Path, optional): A folder whose pictures are left out, such as that of the results.
    """
    found: dict[Path, Source] = {}
    for text in inputs:
        for path, name in _of_input(text):
            place = path.resolve()
            if without is None or without.resolve() not in place.parents:
                found.setdefault(place, Source(path, name.as_posix()))
    if not found:
        raise UsageError(
            f'no picture ({", ".join(SUFFIXES)}) was found in {", ".join(map(str, inputs))}: name pictures, folders, '
            "patterns such as 'photos/*.jpg', or a list of paths ending in .txt."
        )
    first: dict[str, Source] = {}
    for source in found.values():
        other = first.setdefault(source.stem, source)
        if other is not source:
            raise UsageError(f'the results of {other.path} and {source.path} would have one name: rename one of them.')
    return list(found.values())


def _of_input(text: str) -> Iterator[tuple[Path, PurePath]]:
    path = Path(text).expanduser()
    if path.is_dir():
        yield from _pictures(path, path.rglob('*'))
    elif path.is_file() and path.suffix.lower() == '.txt':
        # missing files are reported later, with those that cannot be read
        for line in read_lines(path):
            place = PurePath(line)
            below = not place.is_absolute() and '..' not in place.parts
            yield path.parent / line, place if below else PurePath(place.name)
    elif path.is_file():
        yield path, PurePath(path.name)
    elif glob.has_magic(text):
        fixed = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
        yield from _pictures(Path(*path.parts[:fixed]), map(Path, glob.iglob(str(path), recursive=True)))
    else:
        raise UsageError(f'there is no picture, folder or list {text}: mend the path.')


def _pictures(folder: Path, files: Iterable[Path]) -> Iterator[tuple[Path, PurePath]]:
    for file in sorted(files):
        name = file.relative_to(folder)
        hidden = any(part.startswith('.') for part in name.parts)
        if not hidden and file.suffix.lower() in SUFFIXES and file.is_file():
            yield file, name

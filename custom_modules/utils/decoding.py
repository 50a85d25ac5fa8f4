"""Decoding of image and mask files: which library decodes which file, and what the pixels mean."""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
from PIL import ExifTags, Image

PNG = b'\x89PNG\r\n\x1a\n'
JPEG = b'\xff\xd8'
# in chunks of a PNG that may hold an orientation, also as XMP or ImageMagick's text
TURNED = (b'eXIf', b'exif', b'Exif', b'rientation')
# TIFF entries that say that the channels lie one after another
PLANES = (b'\x1c\1\3\0\1\0\0\0\2\0', b'\1\x1c\0\3\0\0\0\1\0\2', b'\x1c\1\3\0\1\0\0\0\0\0\0\0\2\0')
TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
# exceptions that Pillow and OpenCV raise for damaged files
DAMAGE = (
    OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, OverflowError, EOFError, MemoryError, AttributeError,
    RuntimeError, AssertionError, NotImplementedError, Image.DecompressionBombError, struct.error, zlib.error, cv2.error,
)  # fmt: skip


class RefusedPixelsError(Exception):
    """Sound pixels whose meaning is unclear; ``args`` are the reason, the remedy and the kind of :class:`ImageError`."""

    def __init__(self, reason: str, remedy: str, kind: str = 'ambiguous') -> None:
        super().__init__(reason, remedy, kind)


def decode_image(data: bytes) -> np.ndarray:
    """Decode an image to BGR (H, W, 3), uint8, upright; for the rules and errors see ``read_image``."""
    tag = None
    if data.startswith(PNG):
        others = _chunks_but_pixels(data)
        # bytes 24 and 25: bit depth, and colour type grey or RGB
        if data[24] == 8 and data[25] in (0, 2) and b'tRNS' not in others and b'acTL' not in others:
            tag = orientation(data)
    elif data.startswith(JPEG):
        with Image.open(BytesIO(data)) as picture:
            if picture.mode in ('L', 'RGB'):
                tag = orientation_of(picture)
                # of a truncated file Pillow raises an error, but OpenCV makes up the missing pixels
                if not data.endswith(b'\xff\xd9'):
                    picture.load()
    if tag is None:
        return _decode_other_image(data)
    return _turned_upright(_opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), tag)


def _opencv(data: bytes, flags: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError('it is damaged')
    return pixels


def decode_png(data: bytes) -> np.ndarray:
    """Decode a PNG to what is stored, (H, W) or (H, W, channels); for the errors see ``images.read_png``."""
    if not data.startswith(PNG):
        raise ValueError('it is no PNG')
    _chunks_but_pixels(data)
    return _opencv(data, cv2.IMREAD_UNCHANGED)


def _decode_other_image(data: bytes) -> np.ndarray:
    """Decode an image that OpenCV cannot read, or would not read as it looks."""
    if (pixels := _deep_channels(data)) is not None:
        return np.ascontiguousarray(to_uint8(pixels[..., :3]))
    with Image.open(BytesIO(data)) as picture:
        if picture.mode == 'F' or picture.mode.startswith('I'):
            if getattr(picture, 'tag_v2', {}).get(262) == 0:
                raise RefusedPixelsError('its zero is white', 'save it with black as zero')
            bgr = cv2.cvtColor(to_uint8(np.asarray(picture)), cv2.COLOR_GRAY2BGR)
        else:
            bgr = np.asarray(picture.convert('RGB'))[..., ::-1]
        return np.ascontiguousarray(_turned_upright(bgr, orientation_of(picture)))


def _deep_channels(data: bytes) -> np.ndarray | None:
    """Decode an image of several channels with more than 8 bits, which Pillow truncates or refuses, to upright BGR(A); else None."""
    tag = 1
    if data.startswith(PNG):
        if data[24] != 16 or data[25] == 0:
            return None
        tag = orientation(data)
    elif data.startswith(TIFF):
        try:
            with Image.open(BytesIO(data)) as picture:
                bits = np.ravel(picture.tag_v2.get(258, 8))
                if len(bits) == 1 or max(bits) <= 8:
                    return None
        except Image.UnidentifiedImageError:
            # floating-point numbers in several channels, or no TIFF at all
            pass
        if any(entry in data for entry in PLANES):
            raise RefusedPixelsError('its channels lie one after another, which OpenCV misreads', 'save them interleaved')
    else:
        return None
    pixels = _opencv(data, cv2.IMREAD_UNCHANGED)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f'it has {pixels.shape[2]} channels')
    return _turned_upright(pixels if pixels.shape[2] > 1 else pixels.repeat(3, axis=2), tag)


def _chunks_but_pixels(data: bytes) -> bytes:
    """Return the chunks of a PNG without those of its pixels; a ValueError if it is cut short, which OpenCV and Pillow may ignore."""
    start, chunks = len(PNG), []
    while start + 12 <= len(data):
        kind = data[start + 4 : start + 8]
        if kind == b'IEND':
            return b''.join(chunks)
        end = start + 12 + int.from_bytes(data[start : start + 4], 'big')
        if kind != b'IDAT':
            chunks.append(data[start:end])
        start = end
    raise ValueError('it is cut short')


def orientation(data: bytes) -> int:
    """Return the EXIF orientation of a readable image, without decoding it: 1 is upright, from 5 to 8 its sides are swapped."""
    if data.startswith(PNG):
        others = _chunks_but_pixels(data)
        # Pillow decodes all pixels to look for a tag behind them: do so only if there may be one
        if not any(word in others for word in TURNED):
            return 1
    with Image.open(BytesIO(data)) as picture:
        return orientation_of(picture)


def orientation_of(picture: Image.Image) -> int:
    """Return the EXIF orientation of an opened image, 1 to 8; 1 if the tag is damaged."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE:
        return 1
    return found if found in range(1, 9) else 1


def _turned_upright(pixels: np.ndarray, tag: int) -> np.ndarray:
    if tag >= 5:
        pixels = pixels.swapaxes(0, 1)
    if tag in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if tag in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels if tag == 1 else np.ascontiguousarray(pixels)


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Convert numbers to 8 bits, as :func:`read_image` describes; NaN, and numbers below 0 or above 65535, are refused."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == 'b':
        return pixels.astype(np.uint8) * 255
    remedy = 'save it with 8 or 16 bits per channel'
    if pixels.dtype.kind == 'f' and not np.isfinite(pixels).all():
        raise RefusedPixelsError('it holds pixels that are not a number or infinite', remedy)
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > 65535:
        raise RefusedPixelsError(f'its pixels go from {low:g} to {high:g}, and 0 to 65535 is known', remedy)
    if pixels.dtype.kind == 'f':
        pixels = np.rint(np.minimum(pixels, 1) * 255 if high < 2 else pixels).astype(np.uint16)
        high = pixels.max()
    bits = next(bits for bits in (8, 10, 12, 14, 16) if int(high) < 2**bits)
    return (pixels >> (bits - 8)).astype(np.uint8)


def decode_mask(data: bytes) -> np.ndarray:
    """Decode a mask to (H, W), uint8 or int32, upright; for the rules and errors see ``read_mask``."""
    if data.startswith(PNG):
        others = _chunks_but_pixels(data)
        if data[24] == 8 and data[25] == 0 and not any(name in others for name in (b'tRNS', b'acTL', *TURNED)):
            return _opencv(data, cv2.IMREAD_UNCHANGED)
    if (values := _deep_channels(data)) is not None:
        return _to_integers(_grey_of_channels(values, 'RGBA' if values.shape[2] == 4 else 'RGB'))
    with Image.open(BytesIO(data)) as picture:
        values = np.asarray(picture)
        if picture.mode == 'P':
            values = _palette_values(values, used_colours(picture, values))
        elif values.ndim == 3:
            values = _grey_of_channels(values, picture.mode)
        return _to_integers(_turned_upright(values, orientation_of(picture)))


def _to_integers(values: np.ndarray) -> np.ndarray:
    remedy = 'save it as 8-bit PNG with one whole number per pixel'
    # infinity equals its own rounding
    if values.dtype.kind == 'f' and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise RefusedPixelsError('it holds numbers that are not whole', remedy)
    low, high = values.min(), values.max()
    if low < -(2**31) or high >= 2**31:
        raise RefusedPixelsError(f'its values go from {low:g} to {high:g}', remedy)
    return values.astype(np.uint8 if low >= 0 and high <= 255 else np.int32)


def used_colours(picture: Image.Image, values: np.ndarray) -> dict[int, tuple[int, int, int]]:
    """Return the RGB colour of each index that occurs, by ascending index; black if the palette is too short."""
    colours = np.zeros((256, 3), np.uint8)
    found = np.asarray(picture.getpalette('RGB') or [], np.uint8).reshape(-1, 3)[:256]
    colours[: len(found)] = found
    used = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
    return {int(i): tuple(colours[i].tolist()) for i in used}


def _palette_values(values: np.ndarray, colours: dict) -> np.ndarray:
    black, white = (0, 0, 0), (255, 255, 255)
    if colours.items() <= {0: black, 1: white}.items():
        return values
    if set(colours.values()) <= {black, white}:
        table = np.zeros(256, np.uint8)
        table[[index for index, colour in colours.items() if colour == white]] = 255
        return table[values]
    greys = [colour[0] for colour in colours.values() if len(set(colour)) == 1]
    # greys that become lighter with the index agree with the indices
    if len(greys) == len(colours) and greys != sorted(greys):
        raise RefusedPixelsError(
            'its palette shows greys in another order than its indices have, so that it is unclear which of them count',
            'save it as grey PNG without a palette',
        )
    return values


def _grey_of_channels(values: np.ndarray, mode: str) -> np.ndarray:
    grey = values[..., 0]
    if mode not in ('LA', 'RGB', 'RGBA', 'RGBX') or (mode != 'LA' and (values[..., 1:3] != grey[..., None]).any()):
        raise RefusedPixelsError(
            f'it has {values.shape[2]} channels that differ',
            'save it with one channel that holds the class index of each pixel',
            'several_channels',
        )
    if mode in ('LA', 'RGBA'):
        faint = values[..., -1] != values[..., -1].max()
        # a mask that is black wherever it is not opaque looks on black as its grey values say
        if faint.any() and (grey[faint].any() or not grey.any()):
            raise RefusedPixelsError(
                'its transparency differs from pixel to pixel, so that it is unclear what it shows',
                'save it as grey PNG without transparency',
            )
    return np.ascontiguousarray(grey)

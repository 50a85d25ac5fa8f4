"""Pixels of image and mask files, decoded: which library reads which file, and what the pixels mean."""

import zlib
from io import BytesIO

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

PNG = b'\x89PNG\r\n\x1a\n'
JPEG = b'\xff\xd8'
TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
# what Pillow raises for damaged files; cv2.error is no OSError
DAMAGE = (
    OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, OverflowError, EOFError, MemoryError, AttributeError,
    RuntimeError, AssertionError, NotImplementedError, Image.DecompressionBombError, zlib.error, cv2.error,
)  # fmt: skip


class RefusedPixelsError(Exception):
    """Why sound pixels are not taken: reason, remedy, and kind of :class:`ImageError`."""

    def __init__(self, reason: str, remedy: str, kind: str = 'ambiguous') -> None:
        super().__init__(reason, remedy, kind)


def decode_image(data: bytes) -> np.ndarray:
    """Decode an image to BGR (H, W, 3), uint8, upright; for the rules and errors see ``read_image``."""
    turn = None
    if data.startswith(PNG):
        beside = _beside_pixels(data)
        # bit depth and colour type: grey or RGB
        if data[24] == 8 and data[25] in (0, 2) and b'tRNS' not in beside and b'acTL' not in beside:
            turn = orientation(data)
    elif data.startswith(JPEG):
        with Image.open(BytesIO(data)) as picture:
            if picture.mode in ('L', 'RGB'):
                turn = orientation_of(picture)
                # OpenCV fills up a file that is cut short, without an error
                if not data.endswith(b'\xff\xd9'):
                    picture.load()
    if turn is None:
        return _decode_other_image(data)
    return _turned_upright(_opencv(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), turn)


def _opencv(data: bytes, flags: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError('it is damaged')
    return pixels


def decode_png(data: bytes) -> np.ndarray:
    """Decode a PNG to what is stored, (H, W) or (H, W, channels); for the errors see ``images.read_png``."""
    if not data.startswith(PNG):
        raise ValueError('it is no PNG')
    _beside_pixels(data)
    return _opencv(data, cv2.IMREAD_UNCHANGED)


def _decode_other_image(data: bytes) -> np.ndarray:
    """Decode what OpenCV reads otherwise than it looks, or not at all."""
    pixels = _deep_channels(data)
    if pixels is not None:
        return np.ascontiguousarray(to_uint8(pixels)[..., :3])
    with Image.open(BytesIO(data)) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode == 'F' or picture.mode.startswith('I'):
            return cv2.cvtColor(to_uint8(np.asarray(picture)), cv2.COLOR_GRAY2BGR)
        return np.ascontiguousarray(np.asarray(picture.convert('RGB'))[..., ::-1])


def _deep_channels(data: bytes) -> np.ndarray | None:
    """Decode what Pillow cuts to 8 bits or does not know, several channels of more, to upright BGR or BGRA; else None."""
    turn = 1
    if data.startswith(PNG):
        if data[24] != 16 or data[25] == 0:
            return None
        turn = orientation(data)
    elif data.startswith(TIFF):
        try:
            with Image.open(BytesIO(data)) as picture:
                bits = np.ravel(picture.tag_v2.get(258, 8))
                if len(bits) == 1 or max(bits) <= 8:
                    return None
        except Image.UnidentifiedImageError:
            # floating-point numbers in several channels, or no TIFF at all
            pass
    else:
        return None
    pixels = _opencv(data, cv2.IMREAD_UNCHANGED)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f'it has {pixels.shape[2]} channels')
    return _turned_upright(pixels if pixels.shape[2] > 1 else pixels.repeat(3, axis=2), turn)


def _beside_pixels(data: bytes) -> bytes:
    """Give the chunks of a PNG but those of its pixels; a ValueError if it is cut short."""
    # of one that lacks something, OpenCV and at times Pillow give what there is
    place, beside = len(PNG), []
    while place + 12 <= len(data):
        kind = data[place + 4 : place + 8]
        if kind == b'IEND':
            return b''.join(beside)
        end = place + 12 + int.from_bytes(data[place : place + 4], 'big')
        if kind != b'IDAT':
            beside.append(data[place:end])
        place = end
    raise ValueError('it is cut short')


def orientation(data: bytes) -> int:
    """Give the EXIF orientation of a readable image, 1 to 8, by its header; for what that means see ``images.orientation``."""
    if data.startswith(PNG):
        beside = _beside_pixels(data)
        # most have none, in a chunk, as XMP or ImageMagick's way; Pillow would decode all pixels to look behind them
        if not any(word in beside for word in (b'eXIf', b'exif', b'Exif', b'rientation')):
            return 1
    with Image.open(BytesIO(data)) as picture:
        return orientation_of(picture)


def orientation_of(picture: Image.Image) -> int:
    """Give the EXIF orientation of an opened image, 1 to 8."""
    try:
        found = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE:
        # a damaged tag is no reason not to read the pixels
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
    """Bring numbers to 8 bits, as :func:`read_image` describes; NaN, and numbers below 0 or above 65535, are refused."""
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
        pixels = pixels * 255 if high <= 1 else pixels
        pixels = np.rint(pixels).astype(np.uint16)
        high = pixels.max()
    bits = next(bits for bits in (8, 10, 12, 14, 16) if int(high) < 2**bits)
    return (pixels >> (bits - 8)).astype(np.uint8)


def decode_mask(data: bytes) -> np.ndarray:
    """Decode a mask to (H, W), uint8 or int32, upright; for the rules and errors see ``read_mask``."""
    if data.startswith(PNG):
        beside = _beside_pixels(data)
        if data[24] == 8 and data[25] == 0 and not any(name in beside for name in (b'tRNS', b'acTL', b'eXIf')):
            return _opencv(data, cv2.IMREAD_UNCHANGED)
    values = _deep_channels(data)
    if values is not None:
        return _whole(_grey_of_channels(values, 'RGBA' if values.shape[2] == 4 else 'RGB'))
    with Image.open(BytesIO(data)) as picture:
        values = np.asarray(picture)
        if picture.mode == 'P':
            values = _palette_values(values, used_colours(picture, values))
        elif values.ndim == 3:
            values = _grey_of_channels(values, picture.mode)
        return _whole(_turned_upright(values, orientation_of(picture)))


def _whole(values: np.ndarray) -> np.ndarray:
    remedy = 'save it as 8-bit PNG with one whole number per pixel'
    # inf is its own rounding
    if values.dtype.kind == 'f' and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise RefusedPixelsError('it holds numbers that are not whole', remedy)
    low, high = values.min(), values.max()
    if low < -(2**31) or high >= 2**31:
        raise RefusedPixelsError(f'its values go from {low:g} to {high:g}', remedy)
    return values.astype(np.uint8 if low >= 0 and high <= 255 else np.int32)


def used_colours(picture: Image.Image, values: np.ndarray) -> dict[int, tuple[int, int, int]]:
    """Give the colour of each index that occurs, by ascending index."""
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
    # a lighter grey for a higher index shows what the indices say
    if len(greys) == len(colours) and greys != sorted(greys):
        raise RefusedPixelsError(
            'its palette shows greys in another order than its indices have, so that it is unclear which of them count',
            'save it as grey PNG without a palette',
        )
    return values


def _grey_of_channels(values: np.ndarray, mode: str) -> np.ndarray:
    known = mode in ('LA', 'RGB', 'RGBA', 'RGBX')
    grey = values[..., 0]
    if not known or (mode != 'LA' and (values[..., 1:3] != grey[..., None]).any()):
        raise RefusedPixelsError(
            f'it has {values.shape[2]} channels that differ',
            'save it with one channel that holds the class index of each pixel',
            'several_channels',
        )
    if mode in ('LA', 'RGBA'):
        faint = values[..., -1] != values[..., -1].max()
        # seen on black, a mask that is black wherever it is not opaque looks as its grey values say
        if faint.any() and (grey[faint].any() or not grey.any()):
            raise RefusedPixelsError(
                'its transparency differs from pixel to pixel, so that it is unclear what it shows',
                'save it as grey PNG without transparency',
            )
    return np.ascontiguousarray(grey)

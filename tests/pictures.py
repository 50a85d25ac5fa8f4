"""Picture files of every kind, as bytes, and what tests write, read and compare."""

import io

import cv2
import numpy as np
from PIL import Image


def encoded(pixels, form: str = 'PNG', **options) -> bytes:
    """A file of Pillow's, of an array or one of its images."""
    stream = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(stream, form, **options)
    return stream.getvalue()


def of_opencv(pixels: np.ndarray, suffix: str = '.tiff') -> bytes:
    """A file of OpenCV's, which writes kinds that Pillow does not."""
    return cv2.imencode(suffix, pixels)[1].tobytes()


def of_palette(indices: np.ndarray, colours) -> bytes:
    """A PNG with a palette."""
    image = Image.fromarray(indices).convert('P')
    image.putdata(indices.ravel().tolist())
    image.putpalette(np.ravel(colours).tolist())
    return encoded(image)


def with_turn(turn: int) -> Image.Exif:
    """Metadata with an orientation."""
    exif = Image.Exif()
    exif[0x112] = turn
    return exif


def save(path, pixels, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def load(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def contents(folder, pattern: str = '*') -> dict[str, bytes]:
    """All files of a folder by their paths within it."""
    found = (path for path in sorted(folder.rglob(pattern)) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def dates(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*.png')}


def complaint(capsys) -> str:
    """The one line that says what is wrong."""
    text = capsys.readouterr().err
    assert text.count('\n') == 1
    return text

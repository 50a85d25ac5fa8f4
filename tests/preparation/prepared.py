"""What tests of the preparation read, write and compare."""

import numpy as np
from PIL import Image


def save(path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def load(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def contents(folder, pattern: str = '*') -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob(pattern)) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def dates(folder) -> dict:
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*.png')}


def complaint(capsys) -> str:
    """The one line that says what is wrong."""
    text = capsys.readouterr().err
    assert text.count('\n') == 1
    return text

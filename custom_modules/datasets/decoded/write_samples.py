import ast
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import BinaryIO

import numpy as np

from .decode_all import Decoded
from .not_cacheable_error import NotCacheableError

# magic, name and state of the source, bytes of the pixels, bytes of the forms' text, samples, checksum
HEADER = struct.Struct('<16s64s64sQQQI')
MAGIC = b'lunar-rocks/dec1'


def write_samples(
    file: BinaryIO,
    key: tuple[str, str],
    samples: Iterable[Decoded],
    count: int,
    require_room: Callable[[int], None],
) -> None:
    """Write decoded samples one after the other, and at the end what they are.

    After the header come the pixels, then the form of each sample (``int32``, -1 for a dropped one), then the
    text of the forms: names and shapes of the arrays, and the other values. Samples of one size share a form.

    Args:
        file (BinaryIO): An empty file that can seek.
        key (tuple[str, str]): Name and state of the source.
        samples (Iterable[Decoded]): The samples, of which only one is held at a time.
        count (int): How many they are.
        require_room (Callable[[int], None]): Called now and then with the number of bytes that will still come;
            raises where they do not fit.

    Raises:
        NotCacheableError: If a value is no number, string, tuple, list or dict.
    """
    file.write(bytes(HEADER.size))
    forms, used, checksum, size = {}, np.full(count, -1, np.int32), 0, 0
    for done, sample in enumerate(samples):
        # the first few, and then ever more seldom: by then the mean is known
        if done and (done & (done - 1)) == 0 and (done >= 16 or 2 * done >= count):
            require_room(size * (count - done) // done)
        if sample is None:
            continue
        arrays, others = sample
        text = repr((tuple((k, array.shape) for k, array in arrays.items()), others))
        if text not in forms:
            _require_literal(text, others)
        used[done] = forms.setdefault(text, len(forms))
        for array in arrays.values():
            pixels = np.ascontiguousarray(array).reshape(-1)
            file.write(pixels)
            checksum = zlib.crc32(pixels, checksum)
            size += pixels.size
    text = repr(list(forms)).encode()
    for part in (used.tobytes(), text):
        file.write(part)
        checksum = zlib.crc32(part, checksum)
    name, state = (part.encode() for part in key)
    file.seek(0)
    file.write(HEADER.pack(MAGIC, name, state, size, len(text), count, checksum))
    file.flush()


def _require_literal(text: str, others: dict) -> None:
    try:
        same = ast.literal_eval(text)[1] == others
    except (ValueError, SyntaxError):
        same = False
    if not same:
        raise NotCacheableError(
            f'a sample holds {", ".join(others)}, of which one cannot be written'
        )

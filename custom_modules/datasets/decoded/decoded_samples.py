import ast
import mmap
import os
import pickle
import zlib
from dataclasses import dataclass
from multiprocessing import context, reduction
from typing import BinaryIO

import numpy as np

from custom_modules.utils.errors import UsageError

from .write_samples import HEADER, MAGIC


@dataclass(frozen=True)
class _Form:
    size: int
    arrays: tuple[tuple[str, tuple[int, ...], int, int], ...]
    # bytes, so that no sample can change another's values
    others: bytes

    @classmethod
    def read(cls, text: str) -> '_Form':
        arrays, others = ast.literal_eval(text)
        placed, end = [], 0
        for key, shape in arrays:
            start, end = end, end + int(np.prod(shape))
            placed.append((key, shape, start, end))
        return cls(end, tuple(placed), pickle.dumps(others, protocol=pickle.HIGHEST_PROTOCOL))


class DecodedSamples:
    """Decoded samples in a memory-mapped file, whose pages all processes share.

    They are read-only, and handed out as copies. Worker processes get them by fork, and under spawn by the
    file's descriptor; a deep copy is the same object.

    Args:
        file (BinaryIO): What :func:`write_samples` wrote; it can be closed afterwards.
        key (tuple[str, str]): Name and state of the source that they must be of.
        path (str, optional): Where the file lies, if it has a name: it can then be opened again by it.
        check (bool): Whether to compare the checksum. Defaults to True.

    Attributes:
        key (tuple[str, str]): Name and state of the source.
        nbytes (int): Size of the file.

    Raises:
        ValueError: If the file is cut off, damaged, or of another source.
    """

    def __init__(
        self, file: BinaryIO, key: tuple[str, str], path: str | None = None, check: bool = True
    ) -> None:
        self.key, self.path = tuple(key), path
        # a descriptor of its own, for processes that are spawned
        self._descriptor = os.dup(file.fileno())
        self.nbytes = os.fstat(self._descriptor).st_size
        if self.nbytes < HEADER.size:
            raise ValueError('it is cut off')
        self._map = mmap.mmap(self._descriptor, self.nbytes, access=mmap.ACCESS_READ)
        magic, name, state, size, text, count, checksum = HEADER.unpack_from(self._map)
        if magic != MAGIC or (name, state) != tuple(part.encode() for part in key):
            raise ValueError('its header is not the one that was written')
        pixels_end = HEADER.size + size
        forms_end = pixels_end + 4 * count
        if self.nbytes != forms_end + text:
            raise ValueError('it has another length than was written')
        whole = np.frombuffer(self._map, np.uint8)
        if check and zlib.crc32(whole[HEADER.size :]) != checksum:
            raise ValueError('its checksum is wrong')
        self._pixels = whole[HEADER.size : pixels_end]
        self._form_of = np.frombuffer(self._map, np.int32, count, pixels_end)
        forms = ast.literal_eval(self._map[forms_end:].decode())
        self._forms = [_Form.read(form) for form in forms]
        # a dropped sample, -1, takes no room
        sizes = np.array([*(form.size for form in self._forms), 0], np.int64)
        self._starts = np.concatenate([[0], sizes[self._form_of].cumsum()])

    def __len__(self) -> int:
        return len(self._form_of)

    def __del__(self) -> None:
        if (descriptor := self.__dict__.pop('_descriptor', None)) is not None:
            os.close(descriptor)

    def add_to(self, info: dict, index: int) -> dict | None:
        """Do what the static transforms would do, without a file.

        Args:
            info (dict): The sample's entry in the data set, changed in place.
            index (int): Its place in the data set.

        Returns:
            dict or None: The entry with arrays of its own; None if the transforms dropped the sample.
        """
        number = self._form_of[index]
        if number < 0:
            return None
        form = self._forms[number]
        start = self._starts[index]
        own = self._pixels[start : start + form.size].copy()
        info.update(pickle.loads(form.others))
        for key, shape, first, end in form.arrays:
            info[key] = own[first:end].reshape(shape)
        return info

    def __deepcopy__(self, memo: dict) -> 'DecodedSamples':
        return self

    def __copy__(self) -> 'DecodedSamples':
        return self

    def __reduce__(self):
        # a spawned process inherits the descriptor, also where the file was removed or has no name
        if context.get_spawning_popen() is not None and os.name != 'nt':
            return _inherit, (reduction.DupFd(self._descriptor), self.key, self.path)
        if self.path is None:
            raise UsageError(
                "decoded samples in memory (cache='ram') go to worker processes by fork, but they were asked to "
                "be sent as a message: set cache='disk', or mp_start_method='fork' in env_cfg."
            )
        return _reopen, (self.path, self.key)


def _inherit(descriptor, key: tuple[str, str], path: str | None) -> DecodedSamples:
    with os.fdopen(descriptor.detach(), 'rb') as file:
        return DecodedSamples(file, key, path, check=False)


def _reopen(path: str, key: tuple[str, str]) -> DecodedSamples:
    with open(path, 'rb') as file:
        return DecodedSamples(file, key, path, check=False)

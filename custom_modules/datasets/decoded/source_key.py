import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import mmcv
import PIL

from .not_cacheable_error import NotCacheableError

# of the file's layout, and of what is kept of a sample
FORMAT = 1


@dataclass(frozen=True)
class SourceKey:
    """What decoded samples were made of.

    Attributes:
        name (str): Which files, how they are listed, and what is done with them.
        state (str): Sizes and times of the files, and versions of the libraries that decode them. With the same
            name and another state, older samples are of no use any more.
    """

    name: str
    state: str

    @classmethod
    def of(cls, infos: Iterable[dict], transforms: str) -> 'SourceKey':
        """Look at the files.

        Args:
            infos (Iterable[dict]): The entries of the data set; the values of keys that end with ``_path`` are files.
            transforms (str): What :func:`describe` says of the static transforms.

        Returns:
            SourceKey: Their key.

        Raises:
            NotCacheableError: If a file cannot be looked at.
        """
        name = hashlib.sha256(transforms.encode())
        state = hashlib.sha256(
            repr((FORMAT, cv2.__version__, mmcv.__version__, PIL.__version__)).encode()
        )
        for info in infos:
            absolute = {key: _absolute(key, value) for key, value in info.items()}
            name.update(repr(sorted(absolute.items())).encode())
            for key, value in absolute.items():
                if _is_path(key, value):
                    state.update(_stamp(value))
        return cls(name.hexdigest(), state.hexdigest())


def _is_path(key: str, value: object) -> bool:
    return key.endswith('_path') and isinstance(value, str)


def _absolute(key: str, value: object) -> object:
    return os.path.abspath(value) if _is_path(key, value) else value


def _stamp(path: str) -> bytes:
    try:
        stat = os.stat(path)
    except OSError as error:
        raise NotCacheableError(f'{path} cannot be looked at ({error.strerror})') from None
    # the change time too: a copied file may keep the size and the date of the one it replaces
    return repr((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)).encode()

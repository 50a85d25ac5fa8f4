from dataclasses import dataclass, field

import numpy as np


@dataclass
class PairFacts:
    """What was measured on one pair; all of it is empty where the pair is not sound.

    Args:
        defects (list[tuple[str, str]]): Kind of each defect, and details.
        digest (bytes): Fingerprint of the image's decoded pixels; empty where it cannot be read.
        sound (bool): Whether it is a whole pair without a defect.
        size (tuple[int, int]): (width, height).
        histogram (np.ndarray): Pixels (3, 256) of each value of red, green and blue.
        black (int): Pixels that are 0 in all channels.
        blown (int): Pixels that are 255 in any channel.
        counts (np.ndarray): Pixels of each class.
        ignored (int): Pixels without a class.
        drawn (bool): Whether the mask holds another value than 0 that is not ignored.
        objects (list[np.ndarray]): Pixels of each object, for every class but the first.
        overlaps (np.ndarray): :func:`squeezed_overlap` at each size (sizes, classes, 3).
        thumbnail (np.ndarray, optional): Small picture with the mask over it, where one was asked for.
    """

    defects: list[tuple[str, str]] = field(default_factory=list)
    digest: bytes = b''
    sound: bool = False
    size: tuple[int, int] = (0, 0)
    histogram: np.ndarray | None = None
    black: int = 0
    blown: int = 0
    counts: np.ndarray | None = None
    ignored: int = 0
    drawn: bool = False
    objects: list[np.ndarray] = field(default_factory=list)
    overlaps: np.ndarray | None = None
    thumbnail: np.ndarray | None = None

    def forget(self) -> None:
        """Drop what is large once it is added up, so that memory hardly grows with the number of pairs."""
        self.histogram = self.overlaps = self.thumbnail = None
        self.objects = []

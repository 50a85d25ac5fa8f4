"""One pair of image and mask, examined."""

import hashlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED
from custom_modules.datasets.pair_checks import MaskValues, count_values, read_pair
from custom_modules.eda.masks import object_areas, squeezed_overlap
from custom_modules.utils.errors import UsageError
from custom_modules.visualization.drawing import overlay

LONGEST = 480


def thumbnail(
    image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]]
) -> np.ndarray:
    """Lay a mask over its image and make it small.

    Args:
        image (np.ndarray): RGB (height, width, 3).
        labels (np.ndarray): The mask (height, width); 0, and 255 where a pixel has no class, are left clear.
        palette (Sequence[Sequence[int]]): RGB of each class.

    Returns:
        np.ndarray: RGB, at most 480 pixels long.
    """
    scale = min(1, LONGEST / max(labels.shape))
    size = tuple(max(1, round(scale * side)) for side in labels.shape[::-1])
    return cv2.resize(overlay(image, labels, palette), size, interpolation=cv2.INTER_AREA)


@dataclass
class PairFacts:
    """What was measured on one pair; all of it is empty where the pair is not sound.

    Args:
        defects (list[tuple[str, Path, str]]): Kind of each defect, its file, and details.
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

    defects: list[tuple[str, Path, str]] = field(default_factory=list)
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


class PairExaminer:
    """Measures one pair, each file of which is decoded once; threads may share it.

    Args:
        palette (Sequence[Sequence[int]]): RGB of each class.
        sizes (Sequence[tuple[int, int]]): (width, height) of each size to squeeze masks to.
        sampled (set[Path]): The images that a thumbnail is wanted of.
    """

    def __init__(
        self,
        palette: Sequence[Sequence[int]],
        sizes: Sequence[tuple[int, int]],
        sampled: set[Path] = frozenset(),
    ) -> None:
        self.palette = palette
        self.sizes = sizes
        self.sampled = sampled

    def __call__(self, image: Path | None, mask: Path | None, values: MaskValues) -> PairFacts:
        """Examine a pair.

        Args:
            image (Path, optional): The image, if there is one.
            mask (Path, optional): The mask, if there is one.
            values (MaskValues): What the mask may hold.

        Returns:
            PairFacts: All its defects; measurements only if it has none.
        """
        facts = PairFacts()
        pixels, drawn, _, found = read_pair(image, mask, values)
        facts.defects = [(finding.kind, finding.path, finding.details) for finding in found]
        if pixels is not None:
            digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
            digest.update(np.ascontiguousarray(pixels))
            facts.digest = digest.digest()
        if drawn is None or pixels is None:
            return facts
        if all(kind == 'perhaps_turned' for kind, *_ in facts.defects):
            facts.sound = True
            self._measure_image(facts, pixels)
            labels = values.table[drawn]
            self._measure_mask(facts, drawn, labels)
            if image in self.sampled:
                facts.thumbnail = thumbnail(pixels, labels, self.palette)
        return facts

    @staticmethod
    def _measure_image(facts, pixels):
        facts.size = pixels.shape[1], pixels.shape[0]
        facts.histogram = np.stack([count_values(pixels[..., c]) for c in range(3)])
        facts.black = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (0, 0, 0)))
        unblown = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (254, 254, 254)))
        facts.blown = pixels.shape[0] * pixels.shape[1] - unblown

    def _measure_mask(self, facts, drawn, labels):
        classes = len(self.palette)
        counts = count_values(labels)
        facts.counts, facts.ignored = counts[:classes], int(counts[IGNORED])
        facts.drawn = bool(((drawn != 0) & (labels != IGNORED)).any())
        facts.objects = object_areas(labels, classes)
        facts.overlaps = np.stack([squeezed_overlap(labels, size, classes) for size in self.sizes])


def in_own_process(function: Callable, *arguments):
    """Call a function in a process of its own, whose memory is given back before this one goes on.

    For what imports torch, which takes several hundred megabytes, and is not needed afterwards. Where torch is
    imported already, as in tests, nothing would be saved: the function is called here.

    Args:
        function (Callable): A function of a module, with a result that can be pickled.
        *arguments: Its arguments.

    Returns:
        Any: Its result.

    Raises:
        UsageError: As the function, or if the process dies.
    """
    if 'torch' in sys.modules:
        return function(*arguments)
    pool = ProcessPoolExecutor(
        1,
        multiprocessing.get_context('spawn'),
        # Ctrl-C ends it without a traceback
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        return pool.submit(function, *arguments).result()
    except BrokenExecutor as error:
        raise UsageError(
            'the process that reads the config died, perhaps for want of memory: close other programs and try again.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)

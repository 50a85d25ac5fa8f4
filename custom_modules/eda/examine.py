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

from custom_modules.datasets.masks import IGNORED, MaskValues
from custom_modules.datasets.pairs import count_values, read_pair
from custom_modules.utils.errors import UsageError
from custom_modules.visualization.drawing import overlay


def object_areas(labels: np.ndarray, classes: int) -> list[np.ndarray]:
    """Count the pixels of each object of a mask (H, W), for every class but the first.

    An object are connected pixels of one class, diagonal neighbours included.

    Example:
        >>> mask = np.zeros((8, 8), np.uint8)
        >>> mask[:2, :2] = mask[2, 2] = mask[6, 6] = 1
        >>> [areas.tolist() for areas in object_areas(mask, 2)]
        [[5, 1]]
    """
    areas = [np.zeros(0, np.int64) for _ in range(1, classes)]
    # of many classes a mask holds few
    for index in np.flatnonzero(np.bincount(labels.ravel(), minlength=classes)[1:classes]) + 1:
        of_class = (labels == index).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8)
        # the first row is everything else
        areas[index - 1] = stats[1:, cv2.CC_STAT_AREA].astype(np.int64)
    return areas


def squeezed_overlap(labels: np.ndarray, size: tuple[int, int], classes: int) -> np.ndarray:
    """Squeeze a true mask (H, W) to another size (width, height) and back, and count what is left of each class (classes, 3).

    These are the pixels that are right, that have it after squeezing, and that have it in truth; those without a class (255)
    before or after are left out. Both ways by nearest pixel at the cell's centre, as ``ResizeToLoadSize`` does.

    Example:
        >>> blocks = np.kron(np.array([[0, 1], [1, 0]], np.uint8), np.ones((8, 8), np.uint8))
        >>> squeezed_overlap(blocks, (2, 2), 2).tolist()
        [[128, 128, 128], [128, 128, 128]]
    """
    nearest = cv2.INTER_NEAREST_EXACT
    squeezed = cv2.resize(labels, size, interpolation=nearest)
    back = cv2.resize(squeezed, labels.shape[::-1], interpolation=nearest)
    # classes are at most 255, so that the product fits
    both = labels.astype(np.uint16) * np.uint16(classes) + back
    counted = (labels != IGNORED) & (back != IGNORED)
    confusion = count_values(both if counted.all() else both[counted], classes * classes)
    confusion = confusion.reshape(classes, classes)
    return np.stack([confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)], axis=1)


def thumbnail(
    image: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]]
) -> np.ndarray:
    """Lay a mask over its image (RGB) and make it small, at most 480 pixels long; 0 and 255 of the mask are left clear."""
    scale = min(1, 480 / max(labels.shape))
    size = tuple(max(1, round(scale * side)) for side in labels.shape[::-1])
    return cv2.resize(overlay(image, labels, palette), size, interpolation=cv2.INTER_AREA)


@dataclass
class PairFacts:
    """What was measured on one pair; all of it is empty where the pair is not sound."""

    defects: list[tuple[str, Path, str]] = field(default_factory=list)  # kind, file, details
    digest: bytes = b''  # of the image's decoded pixels; empty where it cannot be read
    sound: bool = False  # a whole pair without a defect
    size: tuple[int, int] = (0, 0)  # width and height
    histogram: np.ndarray | None = None  # pixels (3, 256) of each value of red, green and blue
    black: int = 0  # pixels that are 0 in all channels
    blown: int = 0  # pixels that are 255 in any
    counts: np.ndarray | None = None  # pixels of each class
    ignored: int = 0  # pixels without one
    drawn: bool = False  # whether the mask holds another value than 0 that is not ignored
    objects: list[np.ndarray] = field(default_factory=list)  # of object_areas
    overlaps: np.ndarray | None = None  # of squeezed_overlap at each size (sizes, classes, 3)
    thumbnail: np.ndarray | None = None  # where one was asked for

    def forget(self) -> None:
        """Drop what is large once it is added up, so that memory hardly grows with the number of pairs."""
        self.histogram = self.overlaps = self.thumbnail = None
        self.objects = []


def examine_pair(
    image: Path | None,
    mask: Path | None,
    values: MaskValues,
    palette: Sequence[Sequence[int]],
    sizes: Sequence[tuple[int, int]],
    with_thumbnail: bool,
) -> PairFacts:
    """Find all defects of a pair, whose mask may hold ``values``, and measure it if it has none; each file is decoded once.

    ``palette`` holds the RGB of each class, ``sizes`` the (width, height) to squeeze masks to.
    """
    facts = PairFacts()
    pixels, drawn, _, found = read_pair(image, mask, values)
    facts.defects = [(finding.kind, finding.path, finding.details) for finding in found]
    if pixels is not None:
        digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(pixels))
        facts.digest = digest.digest()
    defects = {finding.kind for finding in found} - {'perhaps_turned'}
    if drawn is None or pixels is None or defects:
        return facts
    facts.sound, facts.size = True, pixels.shape[1::-1]
    facts.histogram = np.stack([count_values(pixels[..., c]) for c in range(3)])
    facts.black = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (0, 0, 0)))
    unblown = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (254, 254, 254)))
    facts.blown = pixels.shape[0] * pixels.shape[1] - unblown
    labels, classes = values.table[drawn], len(palette)
    counts = count_values(labels)
    facts.counts, facts.ignored = counts[:classes], int(counts[IGNORED])
    facts.drawn = bool(((drawn != 0) & (labels != IGNORED)).any())
    facts.objects = object_areas(labels, classes)
    facts.overlaps = np.stack([squeezed_overlap(labels, size, classes) for size in sizes])
    if with_thumbnail:
        facts.thumbnail = thumbnail(pixels, labels, palette)
    return facts


def in_own_process(function: Callable, *arguments):
    """Call a module's function in a process of its own, whose memory is given back before this one goes on.

    For what imports torch, which takes several hundred megabytes, and is not needed afterwards. Where torch is
    imported already, as in tests, nothing would be saved: the function is called here.
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

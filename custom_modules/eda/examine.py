"""One pair of image and mask, examined, and the defects of a data set, by name."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED, MaskValues
from custom_modules.datasets.pairs import count_values, read_pair
from custom_modules.eda.sources import Part, Subject
from custom_modules.evaluation.objects import object_areas
from custom_modules.utils.images import shrunk
from custom_modules.visualization.drawing import overlay


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
    objects: list[np.ndarray] = field(default_factory=list)  # pixels of each object, of each class but the first
    overlaps: np.ndarray | None = None  # of squeezed_overlap at each size (sizes, classes, 3)
    thumbnail: np.ndarray | None = None  # image and mask, at most 480 pixels long, where one was asked for


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
    # of many classes a mask holds few
    none = np.zeros(0, np.int64)
    facts.objects = [object_areas(labels == i) if facts.counts[i] else none for i in range(1, classes)]
    facts.overlaps = np.stack([squeezed_overlap(labels, size, classes) for size in sizes])
    if with_thumbnail:
        facts.thumbnail = shrunk(overlay(pixels, labels, palette), 480)
    return facts


# kind: whether it breaks or falsifies a training, what it is, what helps
KINDS = json.loads(Path(__file__).with_name('templates').joinpath('defects.json').read_bytes())


def find_defects(subject: Subject, examined: Mapping[str, dict[str, PairFacts]]) -> tuple[list[dict], list[dict]]:
    """Gather every defect of a data set, by what was found on each id of each part; none hides another.

    First come those that break or falsify a training, then the others, both by kind and part.
    """
    found = defaultdict(list)
    for part in subject.parts + ([subject.loose] if subject.loose else []):
        _of_files(found, subject, part, examined[part.name])
    for part in subject.parts:
        _of_part(found, subject, part, examined[part.name].values())
    _shared(found, subject, examined)
    if subject.unused:
        found['pair_in_no_part', 'no part'] = list(subject.unused)
    errors, warnings = [], []
    for wanted, (breaks, what, remedy) in KINDS.items():
        (errors if breaks else warnings).extend(
            dict(kind=kind, part=part, files=files, what=what, remedy=remedy, count=len(files))
            for (kind, part), files in found.items()
            if kind == wanted
        )
    return errors, warnings


def _of_files(found, subject: Subject, part: Part, facts: dict[str, PairFacts]) -> None:
    for i in part.ids:
        image, mask = part.images.get(i), part.masks.get(i)
        if mask is None:
            found['image_without_mask', part.name].append(subject.label(image))
        elif image is None:
            found['mask_without_image', part.name].append(subject.label(mask))
        for kind, path, details in facts[i].defects:
            found[kind, part.name].append(f'{subject.label(path)} ({details})')
        if facts[i].sound and not facts[i].counts[1:].any():
            found['background_only_mask', part.name].append(subject.label(mask))
            if not facts[i].drawn:
                found['empty_mask', part.name].append(subject.label(mask))
    if part.absent:
        found['listed_without_file', part.name] = list(part.absent)


def _of_part(found, subject: Subject, part: Part, facts) -> None:
    counts = [pair.counts for pair in facts if pair.sound]
    if not counts:
        found['no_sound_pair', part.name] = [f'{len(part.pairs)} pairs, none of them sound']
        return
    pixels = sum(counts)
    if not pixels[1:].any():
        found['no_object', part.name] = [f'{len(counts)} masks']
        return
    absent = [name for name, n in zip(subject.classes, pixels, strict=True) if not n]
    if absent:
        found['absent_class', part.name] = absent


def _shared(found, subject: Subject, examined) -> None:
    """Find pictures and ids that are there more than once."""
    same_pixels, same_id = defaultdict(dict), defaultdict(list)
    for part in subject.parts:
        for i in part.ids:
            same_id[i].append(part.name)
        for i in part.pairs:
            if digest := examined[part.name][i].digest:
                # one file that two parts list is one id in two parts
                same_pixels[digest].setdefault(part.images[i], part.name)
    for i, names in sorted(same_id.items()):
        if len(names) > 1:
            found['id_in_several_parts', ', '.join(names)].append(i)
    for files in same_pixels.values():
        if len(files) > 1:
            names = list(dict.fromkeys(files.values()))
            across = len(names) > 1
            listed = ' = '.join(
                f'{name}: {subject.label(path)}' if across else subject.label(path) for path, name in files.items()
            )
            kind = 'duplicate_across_parts' if across else 'duplicate_within_part'
            found[kind, ', '.join(names)].append(listed)

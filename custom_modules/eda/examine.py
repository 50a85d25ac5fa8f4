"""Examines pairs of image and mask, and lists the defects of a data set."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from custom_modules.datasets.masks import IGNORED, MaskValues
from custom_modules.datasets.pairs import Defect, count_values, read_pair
from custom_modules.eda.sources import Part, Subject
from custom_modules.evaluation.objects import object_areas
from custom_modules.utils.images import shrunk
from custom_modules.visualization.drawing import overlay


def squeezed_overlap(labels: np.ndarray, size: tuple[int, int], classes: int) -> np.ndarray:
    """Resize a true mask (H, W) to another size (width, height) and back, and count pixels of each class (classes, 3).

    Counted are the pixels that have the class both before and after, after, and before; those without a class (255) before or
    after are left out. Both resizes take the nearest pixel at the cell's centre, as ``ResizeToLoadSize`` does.

    Example:
        >>> blocks = np.kron(np.array([[0, 1], [1, 0]], np.uint8), np.ones((8, 8), np.uint8))
        >>> squeezed_overlap(blocks, (2, 2), 2).tolist()
        [[128, 128, 128], [128, 128, 128]]
    """
    nearest = cv2.INTER_NEAREST_EXACT
    back = cv2.resize(cv2.resize(labels, size, interpolation=nearest), labels.shape[::-1], interpolation=nearest)
    # fits into 16 bits: there are at most 255 classes
    both = labels.astype(np.uint16) * np.uint16(classes) + back
    counted = (labels != IGNORED) & (back != IGNORED)
    confusion = count_values(both if counted.all() else both[counted], classes**2).reshape(classes, classes)
    return np.stack([confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)], axis=1)


@dataclass
class PairFacts:
    """What was measured on one pair; only defects and digest where the pair is not sound."""

    defects: list[Defect] = field(default_factory=list)
    digest: bytes = b''  # of the image's decoded pixels; empty where it cannot be read
    sound: bool = False  # image and mask exist and have no defect
    size: tuple[int, int] = (0, 0)  # width and height
    histogram: np.ndarray | None = None  # pixels (3, 256) of each value of red, green and blue
    black: int = 0  # pixels that are 0 in all channels
    blown: int = 0  # pixels that are 255 in any
    counts: np.ndarray | None = None  # pixels of each class
    ignored: int = 0  # pixels without a class
    drawn: bool = False  # whether the mask holds another value than 0 that is not ignored
    objects: list[np.ndarray] = field(default_factory=list)  # areas of the objects of each class but the first
    overlaps: np.ndarray | None = None  # squeezed_overlap at each size (sizes, classes, 3)
    thumbnail: np.ndarray | None = None  # image with mask, longer side at most 480 pixels, where asked for


def examine_pair(
    image: Path | None,
    mask: Path | None,
    values: MaskValues,
    palette: Sequence[Sequence[int]],
    sizes: Sequence[tuple[int, int]],
    with_thumbnail: bool,
) -> PairFacts:
    """Find all defects of a pair, whose mask may hold ``values``, and measure it if it has none; each file is decoded once.

    ``palette`` holds the RGB of each class, ``sizes`` the (width, height) for :func:`squeezed_overlap`.
    """
    pixels, drawn, _, defects = read_pair(image, mask, values)
    facts = PairFacts(defects)
    if pixels is not None:
        digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(pixels))
        facts.digest = digest.digest()
    if drawn is None or pixels is None or any(defect.kind != 'perhaps_turned' for defect in defects):
        return facts
    facts.sound, facts.size = True, pixels.shape[1::-1]
    facts.histogram = np.stack([count_values(pixels[..., c]) for c in range(3)])
    facts.black = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (0, 0, 0)))
    facts.blown = pixels[..., 0].size - cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (254, 254, 254)))
    labels, classes = values.table[drawn], len(palette)
    counts = count_values(labels)
    facts.counts, facts.ignored = counts[:classes], int(counts[IGNORED])
    facts.drawn = bool(((drawn != 0) & (labels != IGNORED)).any())
    # only classes that occur are searched: of many classes a mask holds few
    facts.objects = [object_areas(labels == i) if facts.counts[i] else np.zeros(0, np.int64) for i in range(1, classes)]
    facts.overlaps = np.stack([squeezed_overlap(labels, size, classes) for size in sizes])
    if with_thumbnail:
        facts.thumbnail = shrunk(overlay(pixels, labels, palette), 480)
    return facts


# by kind: whether it breaks or falsifies a training, what it is, what helps
KINDS = json.loads(Path(__file__).with_name('templates').joinpath('defects.json').read_bytes())


def find_defects(subject: Subject, examined: Mapping[str, dict[str, PairFacts]]) -> tuple[list[dict], list[dict]]:
    """List the defects of a data set: those that break or falsify a training, then the others, both by kind and part.

    ``examined`` holds the facts of each pair by part and id.
    """
    found = defaultdict(list)
    for part in subject.parts + ([subject.loose] if subject.loose else []):
        _add_file_defects(found, subject, part, examined[part.name])
    for part in subject.parts:
        _add_part_defects(found, subject, part, examined[part.name].values())
    _add_duplicates(found, subject, examined)
    if subject.unused:
        found['pair_in_no_part', 'no part'] = list(subject.unused)
    errors, warnings = [], []
    for wanted, (breaks, what, remedy) in KINDS.items():
        for (kind, part), files in found.items():
            if kind == wanted:
                defect = dict(kind=kind, part=part, files=files, what=what, remedy=remedy, count=len(files))
                (errors if breaks else warnings).append(defect)
    return errors, warnings


def _add_file_defects(found, subject: Subject, part: Part, facts: dict[str, PairFacts]) -> None:
    for i, (image, mask) in zip(part.ids, part.files(), strict=True):
        if mask is None:
            found['image_without_mask', part.name].append(subject.label(image))
        elif image is None:
            found['mask_without_image', part.name].append(subject.label(mask))
        for defect in facts[i].defects:
            found[defect.kind, part.name].append(f'{subject.label(defect.path)} ({defect.details})')
        if facts[i].sound and not facts[i].counts[1:].any():
            found['background_only_mask', part.name].append(subject.label(mask))
            if not facts[i].drawn:
                found['empty_mask', part.name].append(subject.label(mask))
    if part.absent:
        found['listed_without_file', part.name] = list(part.absent)


def _add_part_defects(found, subject: Subject, part: Part, facts) -> None:
    counts = [pair.counts for pair in facts if pair.sound]
    pixels = sum(counts)
    if not counts:
        found['no_sound_pair', part.name] = [f'{len(part.pairs)} pairs, none of them sound']
    elif not pixels[1:].any():
        found['no_object', part.name] = [f'{len(counts)} masks']
    elif absent := [name for name, n in zip(subject.classes, pixels, strict=True) if not n]:
        found['absent_class', part.name] = absent


def _add_duplicates(found, subject: Subject, examined) -> None:
    same_pixels, same_id = defaultdict(dict), defaultdict(list)
    for part in subject.parts:
        for i in part.ids:
            same_id[i].append(part.name)
        for i in part.pairs:
            if digest := examined[part.name][i].digest:
                # a file that two parts list counts once: that is reported as an id in several parts
                same_pixels[digest].setdefault(part.images[i], part.name)
    for i, names in sorted(same_id.items()):
        if len(names) > 1:
            found['id_in_several_parts', ', '.join(names)].append(i)
    for files in same_pixels.values():
        if len(files) > 1:
            names = list(dict.fromkeys(files.values()))
            kind, listed = 'duplicate_within_part', [subject.label(path) for path in files]
            if len(names) > 1:
                kind = 'duplicate_across_parts'
                listed = [f'{name}: {subject.label(path)}' for path, name in files.items()]
            found[kind, ', '.join(names)].append(' = '.join(listed))

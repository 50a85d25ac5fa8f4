"""Numbers of a part of a data set."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from custom_modules.eda.examine import PairFacts
from custom_modules.eda.sources import Subject
from custom_modules.evaluation.confusion import class_scores
from custom_modules.utils.tables import json_values

LEVELS = (0, 5, 25, 50, 75, 95, 100)


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Say how values are spread: minimum, 5 %, 25 %, median, 75 %, 95 % and maximum, by their percentage; None without a value.

    Example:
        >>> quantiles([1, 2, 3])['50']
        2.0
    """
    if not len(values):
        return None
    found = np.percentile(np.asarray(values, float), LEVELS)
    return {str(level): round(float(value), 4) for level, value in zip(LEVELS, found, strict=True)}


def intensity(histogram: np.ndarray, black: int, blown: int) -> dict | None:
    """Describe how bright images are, exactly, over all their pixels; None without a pixel.

    Given are the pixels (3, 256) of each value of red, green and blue, and those that are 0 in all channels (``black``) and 255
    in any (``blown``).
    """
    total = int(histogram[0].sum())
    if not total:
        return None
    value = np.arange(256)
    channels = []
    for name, counts in zip(('red', 'green', 'blue'), histogram, strict=True):
        mean, occurring = float(counts @ value / total), np.flatnonzero(counts)
        channel = dict(
            name=name,
            mean=mean,
            std=float(np.sqrt(counts @ (value - mean) ** 2 / total)),
            min=int(occurring[0]),
            max=int(occurring[-1]),
            at_0_percent=100 * int(counts[0]) / total,
            at_255_percent=100 * int(counts[255]) / total,
        )
        channels.append(channel)
    shares = dict(black_percent=100 * black / total, blown_percent=100 * blown / total)
    return dict(channels=channels, **shares)


def describe_objects(found: Sequence[tuple[np.ndarray, int]], load_size: tuple[int, int] | None) -> dict:
    """Describe the objects of one class; of each image their pixels and its own are given.

    The bins of the ``histogram`` double, from ``edges[i]`` up to but without ``edges[i + 1]``. ``at_load_size``, (width, height)
    of training, is None without one.
    """
    areas = np.concatenate([areas for areas, _ in found] or [np.zeros(0, np.int64)])
    bins = int(np.log2(areas.max())) + 1 if areas.size else 0
    edges = [2**i for i in range(bins + 1)]
    histogram = np.histogram(areas, edges)[0] if bins else np.zeros(0, np.int64)
    at_load_size = None
    if load_size is not None and areas.size:
        scales = [load_size[0] * load_size[1] / whole for _, whole in found]
        scaled = np.concatenate([a * s for (a, _), s in zip(found, scales, strict=True)])
        below = 100 * float((scaled < 1).mean())
        at_load_size = dict(pixels=quantiles(scaled), below_one_pixel_percent=below)
    return dict(
        count=int(areas.size),
        per_image=quantiles([len(areas) for areas, _ in found]),
        per_image_mean=areas.size / len(found) if found else None,
        pixels=quantiles(areas),
        histogram=dict(edges=edges, counts=histogram.tolist()),
        at_load_size=at_load_size,
    )


def squeezed_scores(overlap: np.ndarray, classes: Sequence[str]) -> dict:
    """Score true masks that were squeezed and stretched back, as if they were predictions; pixels of all masks are counted together.

    ``overlap`` holds for each class (classes, 3) the pixels that are right, predicted and true. Scores are in percent, None
    where there is no pixel.

    Example:
        >>> squeezed_scores(np.array([[6, 8, 6], [2, 2, 4]]), ['ground', 'rock'])['classes'][1]['dice']
        66.66666666666667
    """
    right, predicted, true = np.reshape(overlap, (-1, 3)).T
    scores = class_scores(right, true, predicted)
    dice, iou = (json_values(scores[key]) for key in ('Dice', 'IoU'))
    columns = zip(classes, dice, iou, strict=True)
    rows = [dict(name=name, dice=own_dice, iou=own_iou) for name, own_dice, own_iou in columns]
    means = {}
    for mean, found in (('mDice', dice), ('mIoU', iou)):
        known = [value for value in found if value is not None]
        means[mean] = sum(known) / len(known) if known else None
    return dict(classes=rows, **means)


class Sample:
    """Up to twelve random pairs to show, chosen before they are read, so that no file is read twice.

    ``candidates`` are the images to make a thumbnail of: twice as many as are shown, since some may have defects.
    """

    SHOWN = 12

    def __init__(self, subject: Subject, chance: random.Random) -> None:
        self.captions = {}
        for part in subject.parts:
            for image in map(part.images.get, part.pairs):
                self.captions[image] = f'{part.name}: {image.name}'
        images = sorted(self.captions)
        self.order = chance.sample(images, min(2 * self.SHOWN, len(images)))
        self.candidates = set(self.order)
        self._thumbnails = {}

    def add(self, image: Path, thumbnail: np.ndarray | None) -> None:
        """Keep a thumbnail, if there is one."""
        if thumbnail is not None:
            self._thumbnails[image] = thumbnail

    def shown(self) -> list[tuple[str, np.ndarray]]:
        """Return up to twelve captions and thumbnails, in the order of chance."""
        kept = [image for image in self.order if image in self._thumbnails]
        return [(self.captions[image], self._thumbnails[image]) for image in kept[: self.SHOWN]]


class PartStatistics:
    """Gathers the sound pairs of one part, in memory that hardly grows with their number.

    ``sizes``, to which masks were squeezed, and ``load_size``, that of training, are (width, height).
    """

    def __init__(self, classes: Sequence[str], sizes, load_size: tuple[int, int] | None) -> None:
        self.classes, self.sizes, self.load_size = classes, sizes, load_size
        self.image_sizes = Counter()
        self.histogram = np.zeros((3, 256), np.int64)
        self.black = self.blown = self.ignored = 0
        self.brightness = []
        # pixels of each class in each mask, as ClassPixels takes them
        self.counts = []
        # of every class but the first: pixels of each object, how many there are in each image, and the image's pixels
        self.objects = [[] for _ in classes[1:]]
        self.overlaps = np.zeros((len(sizes), len(classes), 3), np.int64)

    def add(self, facts: PairFacts) -> None:
        """Add a sound pair."""
        self.image_sizes[facts.size] += 1
        self.histogram += facts.histogram
        counts = facts.histogram.sum(axis=0)
        self.brightness.append(float(counts @ np.arange(256) / counts.sum()))
        self.black += facts.black
        self.blown += facts.blown
        self.ignored += facts.ignored
        self.counts.append(facts.counts)
        for gathered, areas in zip(self.objects, facts.objects, strict=True):
            gathered.append((areas, facts.size[0] * facts.size[1]))
        self.overlaps += facts.overlaps

    def summary(self) -> dict:
        """Sum up, ready for JSON; all shares and scores are in percent, all sizes in pixels."""
        counts = np.array(self.counts, np.int64).reshape(-1, len(self.classes))
        pixels, masks = counts.sum(axis=0), (counts > 0).sum(axis=0)
        total = max(1, int(pixels.sum()))
        sizes = sorted(self.image_sizes.items(), key=lambda item: (-item[1], item[0]))
        return dict(
            pairs=len(counts),
            image_sizes={f'{width}x{height}': count for (width, height), count in sizes},
            classes=[
                dict(name=name, pixels=n, share_percent=100 * n / total, masks=holding)
                for name, n, holding in zip(self.classes, pixels.tolist(), masks.tolist(), strict=True)
            ],
            ignored_percent=100 * self.ignored / max(1, int(pixels.sum()) + self.ignored),
            objects=[
                dict(name=name, **describe_objects(found, self.load_size))
                for name, found in zip(self.classes[1:], self.objects, strict=True)
            ],
            intensity=dict(
                intensity(self.histogram, self.black, self.blown) or {}, image_brightness=quantiles(self.brightness)
            ),
            squeezed={
                f'{width}x{height}': squeezed_scores(overlap, self.classes)
                for (width, height), overlap in zip(self.sizes, self.overlaps, strict=True)
            },
        )

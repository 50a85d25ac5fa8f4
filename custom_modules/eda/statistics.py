"""Numbers of a part of a data set."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from custom_modules.eda.examine import PairFacts
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


def _intensity(pairs: Sequence[PairFacts]) -> dict:
    value = np.arange(256)
    grey = [pair.histogram.sum(axis=0) for pair in pairs]
    brightness = dict(image_brightness=quantiles([float(counts @ value / counts.sum()) for counts in grey]))
    if not pairs:
        return brightness
    histogram = sum(pair.histogram for pair in pairs)
    total, channels = int(histogram[0].sum()), []
    for name, counts in zip(('red', 'green', 'blue'), histogram, strict=True):
        mean, occurring = float(counts @ value / total), np.flatnonzero(counts)
        deviation = float(np.sqrt(counts @ (value - mean) ** 2 / total))
        channel = dict(name=name, mean=mean, std=deviation, min=int(occurring[0]), max=int(occurring[-1]))
        channels.append(channel | {f'at_{end}_percent': 100 * int(counts[end]) / total for end in (0, 255)})
    black, blown = (100 * sum(getattr(pair, name) for pair in pairs) / total for name in ('black', 'blown'))
    return dict(channels=channels, black_percent=black, blown_percent=blown, **brightness)


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
        at_load_size = dict(pixels=quantiles(scaled), below_one_pixel_percent=100 * float((scaled < 1).mean()))
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
    rows = [dict(name=name, dice=d, iou=i) for name, d, i in zip(classes, dice, iou, strict=True)]
    means = {}
    for mean, found in (('mDice', dice), ('mIoU', iou)):
        known = [value for value in found if value is not None]
        means[mean] = sum(known) / len(known) if known else None
    return dict(classes=rows, **means)


def summarize(
    pairs: Sequence[PairFacts],
    classes: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    load_size: tuple[int, int] | None,
) -> dict:
    """Sum up sound pairs, ready for JSON; all shares and scores are in percent, all sizes in pixels.

    ``sizes``, to which masks were squeezed, and ``load_size``, that of training, are (width, height).
    """
    counts = np.array([pair.counts for pair in pairs], np.int64).reshape(-1, len(classes))
    pixels, masks = counts.sum(axis=0), (counts > 0).sum(axis=0)
    total, ignored = max(1, int(pixels.sum())), sum(pair.ignored for pair in pairs)
    image_sizes = sorted(Counter(pair.size for pair in pairs).items(), key=lambda item: (-item[1], item[0]))
    objects = [[(pair.objects[i], pair.size[0] * pair.size[1]) for pair in pairs] for i in range(len(classes) - 1)]
    overlaps = sum((pair.overlaps for pair in pairs), np.zeros((len(sizes), len(classes), 3), np.int64))
    return dict(
        pairs=len(pairs),
        image_sizes={f'{width}x{height}': count for (width, height), count in image_sizes},
        classes=[
            dict(name=name, pixels=n, share_percent=100 * n / total, masks=holding)
            for name, n, holding in zip(classes, pixels.tolist(), masks.tolist(), strict=True)
        ],
        ignored_percent=100 * ignored / max(1, int(pixels.sum()) + ignored),
        objects=[
            dict(name=name, **describe_objects(found, load_size))
            for name, found in zip(classes[1:], objects, strict=True)
        ],
        intensity=_intensity(pairs),
        squeezed={
            f'{width}x{height}': squeezed_scores(overlap, classes)
            for (width, height), overlap in zip(sizes, overlaps, strict=True)
        },
    )

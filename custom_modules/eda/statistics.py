"""Statistics of one part of a data set."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from custom_modules.eda.examine import PairFacts
from custom_modules.evaluation.confusion import class_mean, class_scores
from custom_modules.utils.tables import json_values

LEVELS = (0, 5, 25, 50, 75, 95, 100)


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Compute the quantiles at ``LEVELS`` percent, by level: from minimum over median to maximum; None without a value.

    Example:
        >>> quantiles([1, 2, 3])['50']
        2.0
    """
    if not len(values):
        return None
    percentiles = np.percentile(np.asarray(values, float), LEVELS)
    return {str(level): round(float(value), 4) for level, value in zip(LEVELS, percentiles, strict=True)}


def _intensity(pairs: Sequence[PairFacts]) -> dict:
    value = np.arange(256)
    all_channels = [pair.histogram.sum(axis=0) for pair in pairs]
    brightness = dict(image_brightness=quantiles([float(counts @ value / counts.sum()) for counts in all_channels]))
    if not pairs:
        return brightness
    histogram = sum(pair.histogram for pair in pairs)
    total, channels = int(histogram[0].sum()), []
    for name, counts in zip(('red', 'green', 'blue'), histogram, strict=True):
        mean, occurring = float(counts @ value / total), np.flatnonzero(counts)
        deviation = float(np.sqrt(counts @ (value - mean) ** 2 / total))
        channel = dict(name=name, mean=mean, std=deviation, min=int(occurring[0]), max=int(occurring[-1]))
        ends = dict(at_0_percent=100 * int(counts[0]) / total, at_255_percent=100 * int(counts[255]) / total)
        channels.append(channel | ends)
    black = 100 * sum(pair.black for pair in pairs) / total
    blown = 100 * sum(pair.blown for pair in pairs) / total
    return dict(channels=channels, black_percent=black, blown_percent=blown, **brightness)


def describe_objects(images: Sequence[tuple[np.ndarray, int]], load_size: tuple[int, int] | None) -> dict:
    """Describe the objects of one class, given for each image their areas in pixels and the area of the image.

    The bins of the ``histogram`` double in width, from ``edges[i]`` up to but excluding ``edges[i + 1]``. ``at_load_size`` is
    None without a ``load_size``, (width, height) of training.
    """
    areas = np.concatenate([areas for areas, _ in images] or [np.zeros(0, np.int64)])
    bins = int(areas.max(initial=0)).bit_length()
    edges = [2**i for i in range(bins + 1)]
    histogram = np.histogram(areas, edges)[0] if bins else np.zeros(0, np.int64)
    at_load_size = None
    if load_size is not None and areas.size:
        scaled = np.concatenate([areas * (load_size[0] * load_size[1] / whole) for areas, whole in images])
        at_load_size = dict(pixels=quantiles(scaled), below_one_pixel_percent=100 * float((scaled < 1).mean()))
    return dict(
        count=int(areas.size),
        per_image=quantiles([len(areas) for areas, _ in images]),
        per_image_mean=areas.size / len(images) if images else None,
        pixels=quantiles(areas),
        histogram=dict(edges=edges, counts=histogram.tolist()),
        at_load_size=at_load_size,
    )


def squeezed_scores(overlap: np.ndarray, classes: Sequence[str]) -> dict:
    """Score true masks that were resized and resized back, as if they were predictions, over the pixels of all masks.

    ``overlap`` (classes, 3) holds the numbers of correct, predicted and true pixels. Scores are in percent, None for a class
    without a pixel.

    Example:
        >>> squeezed_scores(np.array([[6, 8, 6], [2, 2, 4]]), ['ground', 'rock'])['classes'][1]['dice']
        66.66666666666667
    """
    right, predicted, true = np.reshape(overlap, (-1, 3)).T
    scores = class_scores(right, true, predicted)
    dice, iou = scores['Dice'], scores['IoU']
    rows = [dict(name=name, dice=d, iou=i) for name, d, i in zip(classes, dice, iou, strict=True)]
    return json_values(dict(classes=rows, mDice=class_mean(dice), mIoU=class_mean(iou)))


def summarize(
    pairs: Sequence[PairFacts], classes: Sequence[str], sizes: Sequence[tuple[int, int]], load_size: tuple[int, int] | None
) -> dict:
    """Summarize pairs without defects, ready for JSON; all shares and scores are in percent, all sizes in pixels.

    ``sizes``, to which masks were resized and back, and ``load_size``, that of training, are (width, height).
    """
    counts = np.array([pair.counts for pair in pairs], np.int64).reshape(-1, len(classes))
    pixels, masks = counts.sum(axis=0), (counts > 0).sum(axis=0)
    total, ignored = int(pixels.sum()), sum(pair.ignored for pair in pairs)
    image_sizes = sorted(Counter(pair.size for pair in pairs).items(), key=lambda item: (-item[1], item[0]))
    overlaps = sum((pair.overlaps for pair in pairs), np.zeros((len(sizes), len(classes), 3), np.int64))
    return dict(
        pairs=len(pairs),
        image_sizes={f'{width}x{height}': count for (width, height), count in image_sizes},
        classes=[
            dict(name=name, pixels=n, share_percent=100 * n / max(1, total), masks=holding)
            for name, n, holding in zip(classes, pixels.tolist(), masks.tolist(), strict=True)
        ],
        ignored_percent=100 * ignored / max(1, total + ignored),
        objects=[
            dict(name=name, **describe_objects([(p.objects[i], p.size[0] * p.size[1]) for p in pairs], load_size))
            for i, name in enumerate(classes[1:])
        ],
        intensity=_intensity(pairs),
        squeezed={
            f'{width}x{height}': squeezed_scores(overlap, classes)
            for (width, height), overlap in zip(sizes, overlaps, strict=True)
        },
    )

"""Differences between runs on the same images, and how sure they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from custom_modules.evaluation.confusion import ConfusionScores

RESAMPLES = 2000


@dataclass(frozen=True)
class ImageCounts:
    """What a score counts in each image, so that any choice of images can be scored again.

    ``counts`` (images, ...) are summed over images; ``score`` makes of sums (..., as one image's counts) the score in percent (...), nan
    where there is none; ``own`` is each image's own score (images,), nan for one without a pixel to count.
    """

    counts: np.ndarray
    score: Callable[[np.ndarray], np.ndarray]
    own: np.ndarray


def pooled_counts(confusions: np.ndarray, classes: Sequence[str], score: str) -> ImageCounts:
    """Count for a score that counts the pixels of all images together, such as ``rock_Dice`` of :meth:`ConfusionScores.named`.

    An image's own score is 100 for a class that is neither there nor predicted, and so 0 for one that is invented.
    """

    def pooled(sums: np.ndarray) -> np.ndarray:
        return np.asarray(ConfusionScores(sums).named(classes)[score])

    own = ConfusionScores(confusions, absent=100.0).named(classes)[score]
    return ImageCounts(np.asarray(confusions), pooled, own)


def score_interval(runs: Sequence[ImageCounts]) -> tuple[float, float] | None:
    """Give the 95 % interval of a score over images: percentile bootstrap, of the mean over a config's seeds on the same images.

    It is None with a single image, which cannot vary.
    """
    return _interval(lambda weights: _mean_score(runs, weights), len(runs[0].counts))


@dataclass(frozen=True)
class PairedDifference:
    """How much better one set of runs is than another on the same images, and how sure that is.

    Args:
        difference (float): Mean score over its runs, minus that of the others.
        low, high (float | None): Ends of the 95 % interval over images; None with a single image.
        p (float | None): Wilcoxon's signed-rank test over the images' own scores (means over the runs); None with
            fewer than five images whose scores differ.
        images (int): Images that both sides have a score of.
        decisive (int | None): The image without which the difference changes most; None if there is but one. In a pooled
            score the image with most pixels of a class can outweigh all others.
        without (float | None): The difference without that image.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    images: int
    decisive: int | None
    without: float | None

    @classmethod
    def between(cls, runs: Sequence[ImageCounts], others: Sequence[ImageCounts]) -> 'PairedDifference':
        """Compare the seeds of one config with those of another, with the images in the same order.

        The interval is as in :func:`score_interval`, with the same resamples for both sides: how the difference would vary with
        other test images. How it varies with other seeds is in the runs' standard deviation.
        """

        def difference(weights: np.ndarray) -> np.ndarray:
            return _mean_score(runs, weights) - _mean_score(others, weights)

        count = len(runs[0].counts)
        whole = float(difference(np.ones((1, count), int))[0])
        low, high = _interval(difference, count) or (None, None)
        own, their = (np.mean([run.own for run in side], axis=0) for side in (runs, others))
        gaps = (own - their)[np.isfinite(own) & np.isfinite(their)]
        p = float(wilcoxon(gaps).pvalue) if np.count_nonzero(gaps) >= 5 else None
        each_left_out = difference(1 - np.eye(count, dtype=int))
        moved = np.abs(each_left_out - whole)
        decisive = int(np.nanargmax(moved)) if np.isfinite(moved).any() else None
        without = None if decisive is None else float(each_left_out[decisive])
        return cls(whole, low, high, p, len(gaps), decisive, without)


def _mean_score(runs: Sequence[ImageCounts], weights: np.ndarray) -> np.ndarray:
    # of choices of images: how often each (choices, images) has each
    return np.mean([run.score(np.tensordot(weights, run.counts, 1)) for run in runs], axis=0)


def _interval(score: Callable, count: int) -> tuple[float, float] | None:
    if count < 2:
        return None
    # drawn with replacement; fixed: a report can be repeated to the digit, and all models meet the same resamples
    scores = score(np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES))
    # a resample may hold nothing to count
    if not np.isfinite(scores).any():
        return None
    low, high = np.nanpercentile(scores, [2.5, 97.5])
    return float(low), float(high)

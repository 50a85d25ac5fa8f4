"""Paired differences between runs on the same images, with intervals and a test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from custom_modules.evaluation.confusion import ConfusionScores

RESAMPLES = 2000


@dataclass(frozen=True)
class ImageCounts:
    """What a score counts in each image, so that any resample of the images can be scored."""

    counts: np.ndarray  # (images, ...), to be summed over images
    score: Callable[[np.ndarray], np.ndarray]  # from sums (resamples, ...) to percent (resamples,), nan where undefined
    own: np.ndarray  # each image's own score (images,), nan for one without a pixel to count


def pooled_counts(confusions: np.ndarray, classes: Sequence[str], score: str) -> ImageCounts:
    """Wrap a score of the pixels of all images together, such as ``rock_Dice`` of :meth:`ConfusionScores.named`.

    An image's own score is 100 for a class that is neither true nor predicted, and so 0 if it is predicted only.
    """

    def pooled(sums: np.ndarray) -> np.ndarray:
        return np.asarray(ConfusionScores(sums).named(classes)[score])

    own = ConfusionScores(confusions, absent=100.0).named(classes)[score]
    return ImageCounts(np.asarray(confusions), pooled, own)


def score_interval(runs: Sequence[ImageCounts]) -> tuple[float, float] | None:
    """Compute the 95 % interval over images of a score's mean over seeds, by percentile bootstrap; None with a single image."""
    return _interval(lambda weights: _mean_score(runs, weights), len(runs[0].counts))


@dataclass(frozen=True)
class PairedDifference:
    """How much better one set of runs is than another on the same images, and how sure that is.

    In a pooled score the image with most pixels of a class can outweigh all others: ``decisive`` names it.
    """

    difference: float  # mean score over the runs, minus that of the others
    low: float | None  # lower end of the 95 % interval over images; None with a single image
    high: float | None  # its upper end
    p: float | None  # Wilcoxon's signed-rank test of the images' own mean scores; None if fewer than five differ
    images: int  # images of which both sides have a score
    decisive: int | None  # the image without which the difference changes most; None if there is only one
    without: float | None  # the difference without that image

    @classmethod
    def between(cls, runs: Sequence[ImageCounts], others: Sequence[ImageCounts]) -> 'PairedDifference':
        """Compare the seeds of one config with those of another, with the images in the same order.

        The interval is that of :func:`score_interval`, with the same resamples for both sides. It says how the difference varies
        with the test images, not with the seeds.
        """

        def difference(weights: np.ndarray) -> np.ndarray:
            return _mean_score(runs, weights) - _mean_score(others, weights)

        count = len(runs[0].counts)
        observed = float(difference(np.ones((1, count), int))[0])
        low, high = _interval(difference, count) or (None, None)
        own, theirs = (np.mean([run.own for run in side], axis=0) for side in (runs, others))
        gaps = own - theirs
        gaps = gaps[np.isfinite(gaps)]
        p = float(wilcoxon(gaps).pvalue) if np.count_nonzero(gaps) >= 5 else None
        leave_one_out = difference(1 - np.eye(count, dtype=int))
        changes = np.abs(leave_one_out - observed)
        decisive = int(np.nanargmax(changes)) if np.isfinite(changes).any() else None
        without = None if decisive is None else float(leave_one_out[decisive])
        return cls(observed, low, high, p, len(gaps), decisive, without)


def _mean_score(runs: Sequence[ImageCounts], weights: np.ndarray) -> np.ndarray:
    # weights (resamples, images): how often a resample has an image
    return np.mean([run.score(np.tensordot(weights, run.counts, 1)) for run in runs], axis=0)


def _interval(score: Callable, count: int) -> tuple[float, float] | None:
    # of fewer it would be too narrow: two equal models would differ in every fifth report or more
    if count < 5:
        return None
    # drawn with replacement; the seed is fixed, so that reports are repeatable and all models have the same resamples
    scores = score(np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES))
    # nan where a resample has nothing to count
    if not np.isfinite(scores).any():
        return None
    low, high = np.nanpercentile(scores, [2.5, 97.5])
    return float(low), float(high)

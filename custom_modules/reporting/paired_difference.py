from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

RESAMPLES = 2000


@dataclass(frozen=True)
class PairedDifference:
    """How much better one set of runs is than another on the same images, and how sure that is.

    Args:
        difference (float): Mean pooled score over its runs, minus that of the others.
        low (float): Lower end of the 95 % interval.
        high (float): Upper end of the 95 % interval.
        p (float | None): Wilcoxon's signed-rank test over the images' own scores (means over the runs); None with
            fewer than five images whose scores differ.
        images (int): Images that both sides have a score of.
        decisive (int | None): The image without which the difference changes most; None if there is but one. In a pooled
            score the image with most pixels of a class can outweigh all others.
        without (float | None): The difference without that image.
    """

    difference: float
    low: float
    high: float
    p: float | None
    images: int
    decisive: int | None
    without: float | None

    @classmethod
    def of(
        cls, runs: Sequence[np.ndarray], others: Sequence[np.ndarray], score: Callable
    ) -> 'PairedDifference':
        """Compare runs with others.

        The interval is the percentile bootstrap over images: each of 2,000 resamples draws the same images for both
        sides. It says how the difference would vary with other test images; how it varies with other seeds is in
        the runs' standard deviation. The seed is fixed, so a report can be repeated to the digit.

        Args:
            runs (Sequence[np.ndarray]): For each run, the confusion matrices of the images (images, classes, classes).
            others (Sequence[np.ndarray]): The same for the others, with the images in the same order.
            score (Callable[[np.ndarray], float]): The score of a confusion matrix, in percent.
        """
        draw = np.random.default_rng(0)
        count = len(runs[0])

        def pooled(side: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
            summed = [np.tensordot(weights, run, 1) for run in side]
            return np.mean([[score(confusion) for confusion in run] for run in summed], axis=0)

        def difference(weights: np.ndarray) -> np.ndarray:
            return pooled(runs, weights) - pooled(others, weights)

        samples = draw.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        differences = difference(samples)
        low, high = np.nanpercentile(differences, [2.5, 97.5])
        own, their = (
            np.array([[score(image) for image in run] for run in side]).mean(axis=0)
            for side in (runs, others)
        )
        gaps = (own - their)[np.isfinite(own) & np.isfinite(their)]
        p = float(wilcoxon(gaps).pvalue) if np.count_nonzero(gaps) >= 5 else None
        whole = float(difference(np.ones((1, count), int))[0])
        each_left_out = difference(1 - np.eye(count, dtype=int))
        moved = np.abs(each_left_out - whole)
        decisive = int(np.nanargmax(moved)) if np.isfinite(moved).any() else None
        without = None if decisive is None else float(each_left_out[decisive])
        return cls(whole, float(low), float(high), p, len(gaps), decisive, without)

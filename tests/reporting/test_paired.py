"""Differences on the same images: every image counts, intervals are paired, one image has none."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from custom_modules.reporting.paired import PairedDifference, pooled_counts, score_interval

CLASSES = ('background', 'rock')


def rock(*images) -> np.ndarray:
    """Confusion matrices from true positives, false positives and false negatives of each image."""
    return np.array([[[100 - sum(i), i[1]], [i[2], i[0]]] for i in images])


def counts(*images, score='rock_Dice'):
    return pooled_counts(rock(*images), CLASSES, score)


def test_a_false_alarm_on_an_image_without_rock_is_an_error():
    rocks = [(10, 2, 2)] * 5
    clean = [*rocks, *[(0, 0, 0)] * 6]
    invents = [*rocks, *((0, n, 0) for n in range(1, 7))]
    found = PairedDifference.between([counts(*invents)], [counts(*clean)])
    assert found.images == 11 and found.difference < 0 and found.high <= 0
    # six images at 0 where the other has 100
    assert counts(*invents).own.tolist()[5:] == [0] * 6
    assert counts(*clean).own.tolist()[5:] == [100] * 6
    assert found.p == pytest.approx(wilcoxon([0] * 5 + [-100] * 6).pvalue) and found.p < 0.05


def test_one_image_has_a_difference_and_nothing_that_says_how_sure_it_is():
    found = PairedDifference.between([counts((8, 1, 1))], [counts((4, 1, 5))])
    assert found.difference == pytest.approx(100 * (16 / 18 - 8 / 14))
    assert (found.low, found.high, found.p, found.decisive, found.without) == (None,) * 5
    assert score_interval([counts((8, 1, 1))]) is None


def test_the_interval_is_paired_and_has_the_mean_over_seeds():
    rng = np.random.default_rng(1)
    images = [tuple(rng.integers(1, 20, 3)) for _ in range(12)]
    better = [(tp + 3, fp, fn) for tp, fp, fn in images]
    found = PairedDifference.between([counts(*better), counts(*images)], [counts(*images)] * 2)
    # the same images for both: much narrower than the score's own interval
    low, high = score_interval([counts(*images)])
    assert 0 < found.low < found.difference < found.high < (high - low)
    whole, alone = (
        PairedDifference.between([counts(*side)], [counts(*images)]).difference for side in (better, images)
    )
    assert found.difference == pytest.approx((whole + alone) / 2) and alone == 0
    nothing = PairedDifference.between([counts(*images)], [counts(*images)])
    assert (nothing.difference, nothing.low, nothing.high, nothing.p) == (0, 0, 0, None)


def test_the_image_with_most_pixels_decides():
    images = [(1, 1, 1)] * 6
    found = PairedDifference.between([counts(*images, (60, 0, 0))], [counts(*images, (30, 0, 30))])
    assert found.decisive == 6 and found.without == 0 and found.difference > 10

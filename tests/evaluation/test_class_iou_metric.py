"""Scores of single classes, over pixels, images and objects, equal what is counted by hand."""

import numpy as np
import pytest
import torch

from custom_modules.evaluation.class_iou_metric import ClassIoUMetric
from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.evaluation.objects import LABEL_LIMIT, class_object_counts, object_f1

SIZE = 128


def masks(*boxes) -> np.ndarray:
    """A mask of boxes (top, left, height, width)."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 1
    return mask


def metric_of(**options) -> ClassIoUMetric:
    metric = ClassIoUMetric(**options)
    metric.dataset_meta = dict(classes=('background', 'rock'))
    return metric


def process(metric, pairs) -> None:
    samples = []
    for truth, predicted in pairs:
        data = torch.as_tensor(predicted.astype(np.int64))[None]
        label = torch.as_tensor(truth)[None]
        samples.append(dict(pred_sem_seg=dict(data=data), gt_sem_seg=dict(data=label)))
    metric.process({}, samples)


def scores(pairs, batches: int = 1, **options) -> dict:
    metric = metric_of(**options)
    for batch in np.array_split(np.arange(len(pairs)), batches):
        process(metric, [pairs[i] for i in batch])
    return metric.evaluate(len(pairs))


def random_pairs(count: int, share: float) -> list[tuple]:
    pairs = np.random.default_rng(0).random((count, 2, SIZE, SIZE)) > share
    return [tuple(pair.astype(np.uint8)) for pair in pairs]


ROCK = (10, 10, 6, 6)
FAR = (60, 60, 6, 6)


def test_pixels_are_counted_over_the_whole_set():
    pairs = random_pairs(3, 0.6)
    label, predicted = (np.stack(side) == 1 for side in zip(*pairs, strict=True))
    tp, fp, fn = (predicted & label).sum(), (predicted & ~label).sum(), (~predicted & label).sum()
    expected = dict(
        rock_Dice=200 * tp / (2 * tp + fp + fn),
        rock_IoU=100 * tp / (tp + fp + fn),
        rock_Precision=100 * tp / (tp + fp),
        rock_Recall=100 * tp / (tp + fn),
    )
    found = scores(pairs)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    # finding nothing is 0 for rock; what the trap is about: the mean hides it
    found = scores([(masks(ROCK), masks())])
    assert all(found[name] == 0 for name in expected) and found['mDice'] > 40
    assert np.isnan(scores([(masks(), masks())])['rock_Dice'])
    with pytest.raises(ValueError, match="'boulder'.*background, rock"):
        scores(pairs, report_classes=('boulder',))


@pytest.mark.parametrize(
    ('true', 'drawn', 'f1'),
    [
        ([ROCK], [ROCK], 100),
        ([ROCK, FAR], [ROCK], 200 / 3),
        ([ROCK], [ROCK, FAR], 200 / 3),
        ([ROCK], [FAR], 0),
        ([ROCK], [], 0),
        ([], [ROCK], 0),
        # half of the rock is enough, less is not; what covers a part of it is no invention
        ([ROCK], [(10, 10, 3, 6)], 100),
        ([ROCK], [(10, 10, 3, 5)], 0),
        # one pixel too wide all round, and the whole picture
        ([ROCK], [(9, 9, 8, 8)], 100),
        ([ROCK], [(0, 0, SIZE, SIZE)], 0),
        # two that touch over a corner are one
        ([ROCK, (16, 16, 6, 6)], [ROCK], 100),
        # so small a rock is not labelled: 11 pixels of 128x128 do not count, 12 do
        ([ROCK], [ROCK, (60, 60, 1, 11)], 100),
        ([ROCK], [ROCK, (60, 60, 1, 12)], 200 / 3),
        ([ROCK, (60, 60, 1, 11)], [ROCK], 100),
    ],
)
def test_objects_are_found_and_invented_by_the_rule(true, drawn, f1):
    found = scores([(masks(*true), masks(*drawn))])
    assert found['rock_object_F1'] == pytest.approx(f1)


def test_predicting_rock_everywhere_is_no_way_to_a_score():
    truths = [masks(ROCK, FAR, (90, 20, 9, 9)), masks(FAR), masks()]
    found = scores([(truth, np.ones_like(truth)) for truth in truths])
    assert found['rock_Recall'] == 100 and found['rock_object_F1'] == 0
    assert found['rock_image_Dice'] < 5


def test_an_image_without_rock_counts_and_ignored_pixels_do_not():
    rock, empty = masks(ROCK), masks()
    half = masks((10, 10, 6, 3))
    # 2 * 18 / (36 + 18)
    own = 100 * 36 / 54
    found = scores([(rock, half), (empty, empty), (empty, rock)])
    assert found['rock_image_Dice'] == pytest.approx((own + 100 + 0) / 3)
    unknown = np.full_like(rock, 255)
    assert scores([(rock, half), (unknown, rock)])['rock_image_Dice'] == pytest.approx(own)
    nothing = scores([(empty, empty)])
    assert nothing['rock_image_Dice'] == 100 and np.isnan(nothing['rock_object_F1'])
    # all of the second object lies where nothing is known
    rock[50:] = 255
    found = scores([(rock, masks(ROCK, FAR))])
    assert found['rock_object_F1'] == 100 and found['rock_Precision'] == 100


def test_batches_change_nothing_and_a_second_round_starts_anew(monkeypatch):
    pairs = random_pairs(4, 0.9)
    whole = scores(pairs, label_limit=0)
    assert 0 < whole['rock_object_F1'] < 100
    assert scores(pairs, batches=4, label_limit=0) == whole
    # little memory: masks come over before the end
    monkeypatch.setattr('custom_modules.evaluation.class_iou_metric.WAITING_BYTES', 1)
    assert scores(pairs, batches=2, label_limit=0) == whole
    metric = metric_of(label_limit=0)
    for pair in pairs[:2]:
        process(metric, [pair])
        assert metric.evaluate(1) == scores([pair], label_limit=0)


def test_metric_and_report_count_the_same():
    pairs = [random_pairs(1, share)[0] for share in (0.8, 0.9, 0.99)]
    pairs.append((masks(), masks(ROCK)))
    found = scores(pairs)
    confusions = np.array([ConfusionScores.from_masks(*pair, 2).confusion for pair in pairs])
    assert image_dice(confusions)[:, 1].mean() == pytest.approx(found['rock_image_Dice'])
    pooled = ConfusionScores(confusions.sum(axis=0)).named(('background', 'rock'))
    assert pooled['rock_Dice'] == pytest.approx(found['rock_Dice'])
    counts = sum(class_object_counts(*pair, [1], LABEL_LIMIT) for pair in pairs)
    assert object_f1(counts) == pytest.approx(found['rock_object_F1'])

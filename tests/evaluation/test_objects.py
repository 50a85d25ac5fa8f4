"""Objects: found, missed and invented by one rule, in the metric and in the error analysis alike."""

import numpy as np
import pytest
import torch

from custom_modules.evaluation.class_iou_metric import ClassIoUMetric
from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.evaluation.objects import LABEL_LIMIT, match_objects, object_f1
from custom_modules.evaluation.predictions import Prediction

SIZE = 128


def masks(*boxes) -> np.ndarray:
    """A mask of boxes (top, left, height, width)."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 1
    return mask


def sample(truth, predicted) -> dict:
    return dict(
        pred_sem_seg=dict(data=torch.as_tensor(predicted.astype(np.int64))[None]),
        gt_sem_seg=dict(data=torch.as_tensor(truth)[None]),
    )


def scores(pairs, batches: int = 1, **options) -> dict:
    metric = ClassIoUMetric(**options)
    metric.dataset_meta = dict(classes=('background', 'rock'))
    samples = [sample(*pair) for pair in pairs]
    for batch in np.array_split(np.arange(len(samples)), batches):
        metric.process({}, [samples[i] for i in batch])
    return metric.evaluate(len(samples))


ROCK = (10, 10, 6, 6)
FAR = (60, 60, 6, 6)


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
def test_the_rule(true, drawn, f1):
    found = scores([(masks(*true), masks(*drawn))])
    assert found['rock_object_F1'] == pytest.approx(f1)


def test_predicting_rock_everywhere_is_no_way_to_a_score():
    truths = [masks(ROCK, FAR, (90, 20, 9, 9)), masks(FAR), masks()]
    everywhere = [(truth, np.ones_like(truth)) for truth in truths]
    found = scores(everywhere)
    assert found['rock_Recall'] == 100 and found['rock_object_F1'] == 0
    assert found['rock_image_Dice'] < 5


def test_ignored_pixels_belong_to_no_object():
    truth = masks(ROCK)
    truth[50:, :] = 255
    # all of the second object lies where nothing is known
    assert scores([(truth, masks(ROCK, FAR))])['rock_object_F1'] == 100


def test_an_image_without_rock_counts():
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


def test_batches_change_nothing_and_a_second_round_starts_anew(monkeypatch):
    rng = np.random.default_rng(0)
    pairs = [tuple((rng.random((2, SIZE, SIZE)) > 0.9).astype(np.uint8)) for _ in range(4)]
    whole = scores(pairs, label_limit=0)
    assert 0 < whole['rock_object_F1'] < 100
    assert scores(pairs, batches=4, label_limit=0) == whole
    # little memory: masks come over before the end
    monkeypatch.setattr('custom_modules.evaluation.class_iou_metric.WAITING_BYTES', 1)
    assert scores(pairs, batches=2, label_limit=0) == whole
    metric = ClassIoUMetric(label_limit=0)
    metric.dataset_meta = dict(classes=('background', 'rock'))
    for truth, predicted in (pairs[0], pairs[1]):
        metric.process({}, [sample(truth, predicted)])
        assert metric.evaluate(1) == scores([(truth, predicted)], label_limit=0)


def test_metric_and_report_count_the_same():
    rng = np.random.default_rng(1)
    pairs = [
        tuple((rng.random((2, 64, 64)) > share).astype(np.uint8)) for share in (0.8, 0.9, 0.99)
    ]
    pairs.append((masks(), masks(ROCK)))
    found = scores(pairs)
    predictions = [
        Prediction('', truth, predicted, np.eye(2, dtype=np.float32)[predicted].transpose(2, 0, 1))
        for truth, predicted in pairs
    ]
    confusions = np.array([p.scores.confusion for p in predictions])
    assert image_dice(confusions)[:, 1].mean() == pytest.approx(found['rock_image_Dice'])
    pooled = ConfusionScores(confusions.sum(axis=0)).named(('background', 'rock'))
    assert pooled['rock_Dice'] == pytest.approx(found['rock_Dice'])
    counts = [
        match_objects(truth == 1, predicted == 1).counts(LABEL_LIMIT * truth.size)
        for truth, predicted in pairs
    ]
    assert object_f1(np.sum(counts, axis=0)) == pytest.approx(found['rock_object_F1'])

"""The rock's own scores equal a computation by hand, and mmseg's means are untouched."""

import math

import numpy as np
import pytest
import torch

from custom_modules.evaluation.class_iou_metric import ClassIoUMetric

META = dict(classes=('background', 'rock'))


def score(metric, pairs) -> dict:
    metric.dataset_meta = META
    samples = [
        dict(pred_sem_seg=dict(data=torch.as_tensor(p)), gt_sem_seg=dict(data=torch.as_tensor(g)))
        for p, g in pairs
    ]
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def random_pairs(count: int = 3):
    rng = np.random.default_rng(0)
    shape = (count, 2, 1, 16, 16)
    return [tuple(pair) for pair in (rng.random(shape) > 0.6).astype(np.int64)]


def test_equals_a_computation_by_hand():
    pairs = random_pairs()
    predicted = np.stack([p for p, _ in pairs]) == 1
    label = np.stack([g for _, g in pairs]) == 1
    tp, fp, fn = (predicted & label).sum(), (predicted & ~label).sum(), (~predicted & label).sum()
    scores = score(ClassIoUMetric(), pairs)
    expected = dict(
        rock_Dice=2 * tp / (2 * tp + fp + fn),
        rock_IoU=tp / (tp + fp + fn),
        rock_Precision=tp / (tp + fp),
        rock_Recall=tp / (tp + fn),
    )
    for name, value in expected.items():
        assert scores[name] == pytest.approx(100 * value, abs=1e-4), name


def test_finding_nothing_scores_0_for_rock():
    label = np.zeros((1, 16, 16), np.int64)
    label[:, :2] = 1
    scores = score(ClassIoUMetric(), [(np.zeros_like(label), label)])
    assert [scores[f'rock_{s}'] for s in ('Dice', 'IoU', 'Precision', 'Recall')] == [0, 0, 0, 0]
    # what the trap is about: the mean hides it
    assert scores['mDice'] > 40


def test_ignored_pixels_no_rock_and_unknown_classes():
    label = np.ones((1, 4, 4), np.int64)
    predicted, empty = np.ones_like(label), np.zeros_like(label)
    label[:, 2:] = 255
    assert score(ClassIoUMetric(), [(predicted, label)])['rock_Precision'] == 100
    assert math.isnan(score(ClassIoUMetric(), [(empty, empty)])['rock_Dice'])
    with pytest.raises(ValueError, match="'boulder'.*background, rock"):
        score(ClassIoUMetric(report_classes=('boulder',)), random_pairs(1))

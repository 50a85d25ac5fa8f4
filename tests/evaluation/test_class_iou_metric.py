"""Scores of single classes equal what is counted by hand, and what mmseg scores image by image."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

from custom_modules.evaluation.class_iou_metric import ClassIoUMetric

SIZE = 128
ROCK = (10, 10, 6, 6)
FAR = (60, 60, 6, 6)
MEANS = ['mIoU', 'mDice', 'mFscore']


def masks(*boxes) -> np.ndarray:
    """A mask of boxes (top, left, height, width)."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 1
    return mask


def scores(pairs, **options) -> dict:
    metric = ClassIoUMetric(**options)
    metric.dataset_meta = dict(classes=('background', 'rock'))
    masks = [[dict(data=torch.as_tensor(mask)[None]) for mask in pair] for pair in pairs]
    metric.process({}, [dict(gt_sem_seg=truth, pred_sem_seg=predicted) for truth, predicted in masks])
    return metric.evaluate(len(pairs))


def test_pixels_are_counted_over_the_whole_set():
    pairs = (np.random.default_rng(0).random((3, 2, SIZE, SIZE)) > 0.6).astype(np.uint8)
    label, predicted = pairs.swapaxes(0, 1) == 1
    tp, fp, fn = (predicted & label).sum(), (predicted & ~label).sum(), (~predicted & label).sum()
    expected = dict(rock_Dice=200 * tp / (2 * tp + fp + fn), rock_IoU=100 * tp / (tp + fp + fn))
    expected |= dict(rock_Precision=100 * tp / (tp + fp), rock_Recall=100 * tp / (tp + fn))
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
        ([ROCK, FAR], [ROCK], 200 / 3),
        ([ROCK], [ROCK, FAR], 200 / 3),
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
    assert scores([(masks(*true), masks(*drawn))])['rock_object_F1'] == pytest.approx(f1)


def test_an_image_without_rock_counts_and_ignored_pixels_do_not():
    rock, empty = masks(ROCK), masks()
    half = masks((10, 10, 6, 3))
    own = 100 * 36 / 54
    found = scores([(rock, half), (empty, empty), (empty, rock)])
    assert found['rock_image_Dice'] == pytest.approx((own + 100 + 0) / 3)
    assert scores([(rock, half), (np.full_like(rock, 255), rock)])['rock_image_Dice'] == pytest.approx(own)
    nothing = scores([(empty, empty)])
    assert nothing['rock_image_Dice'] == 100 and np.isnan(nothing['rock_object_F1'])
    # all of the second object lies where nothing is known
    rock[50:] = 255
    found = scores([(rock, masks(ROCK, FAR))])
    assert found['rock_object_F1'] == 100 and found['rock_Precision'] == 100


def samples(classes: int, absent: int | None) -> list[dict]:
    """Images of three sizes, with pixels to ignore and labels that no class has."""
    generator = torch.Generator().manual_seed(classes)
    made = []
    for size in ((32, 32), (20, 31), (1, 7), (32, 32)):
        label, predicted = torch.randint(0, classes, (2, 1, *size), generator=generator, dtype=torch.uint8)
        for mask in (label, predicted):
            mask[mask == absent] = 0
        label[torch.rand(label.shape, generator=generator) < 0.2] = 255
        label[torch.rand(label.shape, generator=generator) < 0.05] = classes + 3
        # of one channel predictions are floats
        predicted = predicted.float() if classes == 2 else predicted.long()
        made.append(dict(gt_sem_seg=dict(data=label), pred_sem_seg=dict(data=predicted)))
    return made


@pytest.mark.parametrize(('classes', 'absent'), [(2, None), (3, 2), (4, 0), (2, 1)])
def test_equals_mmseg_to_the_last_digit_in_any_batches_and_rounds(classes, absent, monkeypatch):
    names, data = [f'c{i}' for i in range(classes)], samples(classes, absent)

    def scored(metric, *batches) -> dict:
        metric.dataset_meta = dict(classes=names)
        for batch in batches:
            metric.process({}, batch)
        return metric.evaluate(len(data))

    expected = scored(IoUMetric(iou_metrics=MEANS), data)
    expected = scored(ClassIoUMetric(names, iou_metrics=MEANS), data) | expected
    assert 0 < expected['c1_object_F1'] < 100 or absent == 1
    # little memory: masks come over before the end
    monkeypatch.setattr('custom_modules.evaluation.class_iou_metric.WAITING_BYTES', 1)
    ours = ClassIoUMetric(names, iou_metrics=MEANS)
    scored(ours, data[:1])
    found = scored(ours, data[:1], data[1:])
    for name, value in expected.items():
        assert np.array_equal(found[name], value, equal_nan=True), name


def batch(sizes: list, only: slice = slice(None)) -> dict:
    generator = torch.Generator().manual_seed(0)
    inputs, kept = [], []
    for i, size in enumerate(sizes):
        inputs.append(torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8))
        label = torch.randint(0, 2, (1, *size), generator=generator)
        label[:, :4] = 255
        meta = dict(img_shape=size, ori_shape=size, img_path=str(i))
        kept.append(SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta))
    return dict(inputs=inputs[only], data_samples=kept[only])


def test_a_batch_is_its_images(repository, segmentation):
    """Predictions and losses, also where the images differ in size (load_size=None)."""
    sizes = [(32, 32), (40, 24), (40, 24), (32, 32)]
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.model.backbone.widths = [4, 8, 8, 8, 8]
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        *together, losses = model.val_step(batch(sizes))
        tested = model.test_step(batch(sizes))
        alone = [model.val_step(batch(sizes, slice(i, i + 1))) for i in range(len(sizes))]
    for found in (together, tested):
        assert [sample.img_path for sample in found] == list('0123')
    for i, (one, one_loss) in enumerate(alone):
        for both in (together, tested):
            torch.testing.assert_close(both[i].seg_logits.data, one.seg_logits.data)
        assert set(one_loss.loss) == {'val_loss_bce', 'val_loss_dice'}
        for name, (value,) in one_loss.loss.items():
            torch.testing.assert_close(losses.loss[name][i], value)

"""Validation by batches, counted on the device, scores what mmseg scores image by image."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

import custom_modules.segmentation  # noqa: F401
from custom_modules.evaluation.class_iou_metric import ClassIoUMetric

MEANS = ['mIoU', 'mDice', 'mFscore']


def samples(classes: int, absent: int | None, values=torch.int64) -> list[dict]:
    """Images of three sizes, with pixels to ignore and labels that no class has."""
    generator = torch.Generator().manual_seed(classes)
    made = []
    for i, size in enumerate([(32, 32), (32, 32), (20, 31), (1, 7), (32, 32)]):
        label = torch.randint(0, classes, (1, *size), generator=generator, dtype=torch.uint8)
        predicted = torch.randint(0, classes, (1, *size), generator=generator)
        if absent is not None:
            label[label == absent] = 0
            predicted[predicted == absent] = 0
        label[torch.rand(label.shape, generator=generator) < 0.2] = 255
        label[torch.rand(label.shape, generator=generator) < 0.05] = classes + 3
        sample = dict(gt_sem_seg=dict(data=label), img_path=f'folder/render{i}.png')
        made.append(dict(sample, pred_sem_seg=dict(data=predicted.to(values))))
    return made


def results(metric, batches: list) -> tuple[list, dict]:
    """Areas of each image, and the scores."""
    metric.dataset_meta = dict(classes=[f'c{i}' for i in range(len(metric.names))])
    seen = []
    compute = metric.compute_metrics
    metric.compute_metrics = lambda areas: seen.extend(areas) or compute(areas)
    for batch in batches:
        metric.process({}, batch)
    return seen, metric.evaluate(sum(map(len, batches)))


@pytest.mark.parametrize(
    ('classes', 'absent', 'values'),
    [(2, None, torch.float32), (3, 2, torch.int64), (4, 0, torch.int64), (2, 1, torch.float32)],
)
def test_equals_mmseg_to_the_last_digit(classes, absent, values):
    names = [f'c{i}' for i in range(classes)]
    data = samples(classes, absent, values)
    stock = IoUMetric(iou_metrics=MEANS)
    ours = ClassIoUMetric(report_classes=names, iou_metrics=MEANS)
    stock.names = ours.names = names
    expected, scores = results(stock, [[sample] for sample in data])
    for batches in ([data], [data[:2], data[2:]], [[sample] for sample in data]):
        areas, ours_scores = results(ours, batches)
        assert len(areas) == len(expected) == 5
        for a, b in zip(areas, expected, strict=True):
            for x, y in zip(a, b, strict=True):
                assert x.dtype == y.dtype and torch.equal(x, y)
        for name, value in scores.items():
            assert np.array_equal(ours_scores[name], value, equal_nan=True), name
        ours.compute_metrics = type(ours).compute_metrics.__get__(ours)


@pytest.fixture(scope='module')
def model(repository):
    init_default_scope('mmseg')
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.model.backbone.widths = [4, 8, 8, 8, 8]
    torch.manual_seed(0)
    return MODELS.build(cfg.model).eval()


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


@pytest.mark.parametrize('sizes', [[(32, 32)] * 3, [(32, 32), (40, 24), (40, 24), (32, 32)]])
def test_a_batch_is_its_images(model, sizes):
    """Predictions and losses, also where the images differ in size (load_size=None)."""
    with torch.no_grad():
        *together, losses = model.val_step(batch(sizes))
        tested = model.test_step(batch(sizes))
        alone = [model.val_step(batch(sizes, slice(i, i + 1))) for i in range(len(sizes))]
    for found in (together, tested):
        assert [sample.img_path for sample in found] == list('0123')[: len(sizes)]
    for i, (one, one_loss) in enumerate(alone):
        for both in (together, tested):
            torch.testing.assert_close(both[i].seg_logits.data, one.seg_logits.data)
        assert set(one_loss.loss) == {'val_loss_bce', 'val_loss_dice'}
        for name, (value,) in one_loss.loss.items():
            torch.testing.assert_close(losses.loss[name][i], value)

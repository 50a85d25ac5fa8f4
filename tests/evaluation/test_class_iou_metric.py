"""Scores of single classes equal what is counted by hand, and what mmseg scores image by image."""

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
from custom_modules.evaluation.confusion import ConfusionScores, image_dice
from custom_modules.evaluation.objects import LABEL_LIMIT, class_object_counts, object_f1

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


def metric_of(**options) -> ClassIoUMetric:
    metric = ClassIoUMetric(**options)
    metric.dataset_meta = dict(classes=('background', 'rock'))
    return metric


def process(metric, pairs) -> None:
    samples = []
    for truth, predicted in pairs:
        data = torch.as_tensor(predicted.astype(np.int64))[None]
        samples.append(dict(pred_sem_seg=dict(data=data), gt_sem_seg=dict(data=torch.as_tensor(truth)[None])))
    metric.process({}, samples)


def scores(pairs, batches: int = 1, **options) -> dict:
    metric = metric_of(**options)
    for batch in np.array_split(np.arange(len(pairs)), batches):
        process(metric, [pairs[i] for i in batch])
    return metric.evaluate(len(pairs))


def random_pairs(count: int, share: float) -> list[tuple]:
    pairs = np.random.default_rng(0).random((count, 2, SIZE, SIZE)) > share
    return [tuple(pair.astype(np.uint8)) for pair in pairs]


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
    assert scores([(masks(*true), masks(*drawn))])['rock_object_F1'] == pytest.approx(f1)


def test_an_image_without_rock_counts_and_ignored_pixels_do_not():
    rock, empty = masks(ROCK), masks()
    half = masks((10, 10, 6, 3))
    # 2 * 18 / (36 + 18)
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
def test_a_batch_is_its_images(repository, sizes):
    """Predictions and losses, also where the images differ in size (load_size=None)."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.model.backbone.widths = [4, 8, 8, 8, 8]
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
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

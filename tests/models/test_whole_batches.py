"""Whole batches on the device: images keep their labels, scores are those of single samples, a resume sees the same."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.data import DataLoader

import custom_modules.classification  # noqa: F401
from custom_modules.datasets.cache import batch_collate
from custom_modules.datasets.tiny_imagenet import TinyImageNet
from custom_modules.engine.optim import WarmedUpEMA
from custom_modules.models.batch_augmentations import BatchRandomResizedCrop, StepRandom
from custom_modules.models.batch_photometric import BatchColorJitter, BatchRandomGrayscale
from custom_modules.models.classifiers import BatchAugClsPreProcessor, BatchClassifier
from custom_modules.utils.errors import UsageError

SCOPE = 'mmpretrain'
pytestmark = pytest.mark.usefixtures('hub')


def random(count: int, step: int = 0) -> StepRandom:
    return StepRandom(0, step, range(count), count)


def test_a_crop_is_opencvs_resize_of_the_area_that_is_asked_for(monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.float32)
    # the whole image with its border, and the upper right quarter
    for place, part, inner in (((0, 0, 1, 1), image, slice(None)), ((0.5, 0, 0.5, 0.5), image[:32, 32:], slice(4, -4))):
        crop = BatchRandomResizedCrop(96)
        monkeypatch.setattr(crop, 'draw', lambda random, place=place: np.array([place]))
        out, _ = crop(torch.from_numpy(image.transpose(2, 0, 1))[None], None, random(1))
        difference = out[0].numpy().transpose(1, 2, 0) - cv2.resize(part, (96, 96), interpolation=cv2.INTER_LINEAR)
        assert np.abs(difference[inner, inner]).max() < 1e-2
    left, top, width, height = BatchRandomResizedCrop(64, scale=(0.35, 0.6)).draw(random(2000)).T
    assert min(left.min(), top.min()) >= 0 and max((left + width).max(), (top + height).max()) <= 1 + 1e-9
    area = width * height
    assert [area.min(), area.max()] == pytest.approx([0.35, 0.6], abs=0.01)
    assert (width / height).max() == pytest.approx(4 / 3, abs=0.01)


def test_colours_by_hand():
    def grey(images):
        return (images * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)

    pixels = torch.tensor([[[[100.0, 200.0]], [[50.0, 40.0]], [[10.0, 0.0]]]])
    bright = pixels * 1.2
    contrast = (bright - grey(bright).mean()) * 0.7 + grey(bright).mean()
    expected = (contrast - grey(contrast)) * 1.3 + grey(contrast)
    out, _ = BatchColorJitter().apply(pixels.clone(), None, np.array([[1.2, 0.7, 1.3]]))
    torch.testing.assert_close(out, expected.clamp(0, 255))
    out, _ = BatchRandomGrayscale(prob=1.0)(pixels.clone(), None, random(1))
    torch.testing.assert_close(out, grey(pixels).expand_as(pixels))


NORMALISED = dict(mean=[120.0, 110, 100], std=[60.0, 50, 40], to_rgb=True)
MOVES = [dict(type='BatchRandomResizedCrop', size=32), dict(type='BatchRandomFlip')]
GREY = dict(type='BatchRandomGrayscale', prob=0.3)
COLOURS = dict(type='BatchColorJitter', brightness=0.3, contrast=0.3, saturation=0.3)


def processor(**options) -> BatchAugClsPreProcessor:
    return BatchAugClsPreProcessor(augments=[*MOVES, COLOURS, GREY], **NORMALISED, **options)


def batch(count: int = 12) -> dict:
    images = np.random.default_rng(1).integers(0, 256, (count, 3, 64, 64), dtype=np.uint8)
    return dict(inputs=torch.from_numpy(images), data_samples=DataSample(gt_label=torch.arange(count) % 5))


@pytest.mark.parametrize('pad', [{}, dict(pad_size_divisor=48, pad_value=7)])
def test_the_way_back_is_mmpretrains(pad):
    given = batch()
    ours = processor(**pad)(given, False)
    # padded in training too
    assert torch.equal(BatchAugClsPreProcessor(**NORMALISED, **pad)(given, True)['inputs'], ours['inputs'])
    stock = ClsDataPreprocessor(**NORMALISED, **pad)
    listed = [DataSample().set_gt_label(label) for label in given['data_samples'].gt_label]
    torch.testing.assert_close(ours['inputs'], stock(dict(inputs=list(given['inputs']), data_samples=listed), False)['inputs'])
    assert torch.equal(given['inputs'], batch()['inputs'])
    assert ours['data_samples'].gt_label.tolist() == given['data_samples'].gt_label.tolist()
    # single samples are trained on as the batch of them
    alone = processor()(dict(inputs=list(given['inputs']), data_samples=listed), True)
    together = processor()(given, True)
    assert torch.equal(alone['inputs'], together['inputs'])
    assert torch.equal(alone['data_samples'].gt_label, together['data_samples'].gt_label)
    images = [image[:, i:] for i, image in enumerate(given['inputs'])]
    with pytest.raises(UsageError, match='holds sizes of .*: set load_size'):
        processor(**pad)(dict(inputs=images, data_samples=listed), True)


def test_labels_stay_with_their_images():
    """Each image has its label's grey value: whatever is cut, flipped and turned grey, it says which it is."""
    labels = torch.tensor([4, 0, 2, 2, 1, 3])
    images = (labels * 50).to(torch.uint8)[:, None, None, None].expand(-1, 3, 64, 64).contiguous()
    ours = BatchAugClsPreProcessor(augments=[*MOVES, GREY], to_onehot=True, num_classes=5)
    out = ours(dict(inputs=images, data_samples=DataSample(gt_label=labels)), True)
    seen = (out['inputs'].mean(dim=(1, 2, 3)) / 50).round()
    assert seen.tolist() == out['data_samples'].gt_label.tolist() == labels.tolist()
    assert out['data_samples'].gt_score.argmax(1).tolist() == labels.tolist()


@pytest.mark.parametrize('mixing', ['Mixup', 'CutMix'])
def test_mixed_targets_sum_to_one_and_follow_the_step(hub, mixing):
    options = dict(num_classes=5, batch_augments=dict(augments=dict(type=mixing, alpha=1.0)))
    first = processor(**options)(batch(), True)
    scores = first['data_samples'].gt_score
    torch.testing.assert_close(scores.sum(1), torch.ones(12))
    assert ((scores > 0).sum(1) == 2).any()
    np.random.rand(), torch.rand(1)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    again = processor(**options)(batch(), True)
    assert torch.equal(again['inputs'], first['inputs'])
    assert torch.equal(again['data_samples'].gt_score, scores)
    # nobody else's numbers are touched
    assert (np.random.get_state()[1] == state[0]).all() and torch.equal(torch.get_rng_state(), state[1])
    hub.update_info('iter', 6)
    assert not torch.equal(processor(**options)(batch(), True)['inputs'], first['inputs'])


def test_scores_are_those_of_single_samples(tiny_imagenet, repository):
    cfg = Config.fromfile(repository / 'configs' / 'classifier.py')
    cfg.model.head.num_classes = 3
    cfg.model.head.topk = (1,)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    pipeline = cfg.val_dataloader.dataset.pipeline
    scores = {}
    for kind in (None, 'batches'):
        dataset = TinyImageNet(tiny_imagenet, 'val', pipeline=pipeline, cache=kind)
        dataset.full_init()
        evaluator = Evaluator([dict(type='Accuracy', topk=(1, 2)), dict(type='ClassificationReport')])
        evaluator.dataset_meta = dataset.metainfo
        predicted = []
        for data in DataLoader(dataset, 4, collate_fn=batch_collate):
            with torch.no_grad():
                outputs = model.val_step(data)
            predicted += [torch.cat([s.pred_score.reshape(-1, 3), s.gt_label.reshape(-1, 1)], 1) for s in outputs]
            evaluator.process(data_samples=outputs, data_batch=data)
        scores[kind] = evaluator.evaluate(len(dataset)), torch.cat(predicted)
    assert scores['batches'][0] == scores[None][0]
    assert 'accuracy/top2' in scores[None][0] and 'report/macro_f1' in scores[None][0]
    torch.testing.assert_close(scores['batches'][1], scores[None][1], atol=1e-5, rtol=0)


def test_the_average_is_mmengines_after_its_warm_up():
    layer = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = WarmedUpEMA(layer, momentum=0.3, update_buffers=True)
    by_hand = None
    for step in range(60):
        nn.init.normal_(layer[0].weight)
        layer(torch.rand(4, 1, 2, 2))
        momentum = max(0.3, 10 / (10 + step))
        values = layer[0].weight.detach().clone(), layer[1].running_var.clone()
        by_hand = [a + momentum * (b - a) for a, b in zip(by_hand or values, values, strict=True)]
        average.update_parameters(layer)
    torch.testing.assert_close(average.module[0].weight, by_hand[0])
    torch.testing.assert_close(average.module[1].running_var, by_hand[1])
    assert average.module[1].num_batches_tracked == 60 and average.steps == 60


def test_one_group_for_all_that_share_their_settings(repository):
    cfg = Config.fromfile(repository / 'configs' / 'classifier.py')
    # as much of a runner as building an optimizer takes
    stub = SimpleNamespace(model=MODELS.build(cfg.model), logger=None)
    cfg.optim_wrapper.optimizer.fused = False
    merged = Runner.build_optim_wrapper(stub, cfg.optim_wrapper).optimizer.param_groups
    cfg.optim_wrapper.pop('constructor')
    single = Runner.build_optim_wrapper(stub, cfg.optim_wrapper).optimizer.param_groups
    assert len(merged) == 2 < len(single)
    decays = {id(p): g['weight_decay'] for g in single for p in g['params']}
    assert decays == {id(p): g['weight_decay'] for g in merged for p in g['params']}


OPTIONS = [
    *('model.head.num_classes=3', 'model.head.topk=(1,)', 'val_evaluator.0.topk=(1,)', 'test_evaluator.0.topk=(1,)'),
    *('model.backbone.widths=[4,8,8,8,8]', 'model.head.in_channels=8', 'train_dataloader.batch_size=6'),
    *('train_cfg.max_epochs=4', 'default_hooks.progressive_resize.stages=[(0,16),(0.5,32)]'),
]


def test_images_grow_and_the_averages_are_tested(tiny_imagenet, tool, tmp_path, monkeypatch, repository):
    """That a resumed run ends in the same weights is for tests/faults/test_killing.py."""
    config = repository / 'configs' / 'classifier.py'
    sides, used = [], []
    prepare, predict = BatchAugClsPreProcessor.forward, BatchClassifier.predict

    def watch(self, data, training=False):
        out = prepare(self, data, training)
        if training:
            sides.append(out['inputs'].shape[-1])
        return out

    def note(self, *args, **kwargs):
        used.append(self.state_dict()['head.fc.weight'].clone())
        return predict(self, *args, **kwargs)

    monkeypatch.setattr(BatchAugClsPreProcessor, 'forward', watch)
    run = tmp_path / 'run'
    assert tool('train.py', config, '--work-dir', run, '--cfg-options', *OPTIONS) == 0
    assert sides == [16] * 6 + [32] * 6
    monkeypatch.setattr(BatchClassifier, 'predict', note)
    tested = ['--work-dir', tmp_path / 'tested', '--cfg-options', *OPTIONS]
    assert tool('test.py', config, run / 'epoch_4.pth', '--tta', *tested) == 0
    # the averaged weights, which are the checkpoint's, also within the model of several views
    averaged = torch.load(run / 'epoch_4.pth', weights_only=False)['state_dict']['head.fc.weight']
    assert used and all(torch.equal(weights, averaged) for weights in used)

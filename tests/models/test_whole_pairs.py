"""Whole batches of pairs: the same images, masks and losses as sample by sample, without a sample."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import SegDataPreProcessor
from torch.utils.data import DataLoader

import custom_modules.segmentation  # noqa: F401
from custom_modules.datasets import batches
from custom_modules.datasets.batches import batch_collate
from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.engine.data_checks import require_a_batch
from custom_modules.models.data_preprocessor import BatchAugPreProcessor
from custom_modules.models.unet_head import UNetHead
from custom_modules.utils.errors import UsageError

LOAD = [dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'ResizeToLoadSize')]
PACK = dict(type='PackSegInputs')
NORMALISED = dict(mean=[120.0, 110, 100], std=[60.0, 50, 40], bgr_to_rgb=True, seg_pad_val=255)


def whole(root, pipeline=(*LOAD, PACK), **options) -> MoonDataset:
    init_default_scope('mmseg')
    given = dict(load_size=(48, 40), cache='batches', pipeline=[dict(step) for step in pipeline])
    dataset = MoonDataset(str(root), **given | options)
    dataset.full_init()
    return dataset


def test_a_batch_is_its_samples(moon, monkeypatch):
    monkeypatch.setattr(batches, 'SHARE', 3)
    dataset = whole(moon)
    order = [5, 0, 5, 2]
    batch = dataset.__getitems__(order)
    sample = batch['data_samples']
    assert batch['inputs'].dtype == sample.gt_sem_seg.data.dtype == torch.uint8
    assert sample.gt_sem_seg.data.any() and sample.gt_sem_seg.data.shape == (4, 40, 48)
    assert sample.img_path == [dataset.get_data_info(i)['img_path'] for i in order]
    for image, mask, place in zip(batch['inputs'], sample.gt_sem_seg.data, order, strict=True):
        one = dataset[place]
        assert torch.equal(image, one['inputs'])
        assert torch.equal(mask, one['data_samples'].gt_sem_seg.data[0].to(mask))


def test_what_does_not_fit_is_said(moon):
    # what is read for scores stays single
    dataset = whole(moon, split='val', test_mode=True)
    assert dataset.cache == 'ram' and isinstance(dataset.__getitems__([0, 1]), list)
    with pytest.raises(UsageError, match='RandomFlip may change'):
        whole(moon, [*LOAD, dict(type='RandomFlip', prob=0.5), PACK])
    for folder in ('render', 'ground'):
        path = sorted((moon / 'images' / folder).iterdir())[-1]
        cv2.imwrite(str(path), np.full((50, 60), 255, np.uint8))
    with pytest.raises(UsageError, match='is 60x50, the first image 64x64: set load_size, or'):
        whole(moon, split='all', load_size=None)


@pytest.mark.parametrize('size_divisor', [1, 32])
@pytest.mark.parametrize('preset', ['default', 'strong', 'camera', 'report3', None])
def test_it_is_augmented_as_samples_are(moon, repository, preset, size_divisor):
    """The same numbers, to the last bit, and the batch itself is not changed."""
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    augments = cfg.batch_augments[preset].augments if preset else [dict(type='BatchRandomBlur', prob=0)]
    options = dict(NORMALISED, augments=augments, size_divisor=size_divisor)
    one, other = BatchAugPreProcessor(**options), BatchAugPreProcessor(**options)
    dataset = whole(moon)
    rows = range(6)
    batch = dataset.__getitems__(rows)
    before = batch['inputs'].clone(), batch['data_samples'].gt_sem_seg.data.clone()
    for _ in range(3):
        samples = one(batch_collate([dataset[row] for row in rows]), True)
        found = other(batch, True)
        assert torch.equal(samples['inputs'], found['inputs'])
        masks = torch.stack([sample.gt_sem_seg.data[0] for sample in samples['data_samples']])
        assert torch.equal(masks, found['data_samples'].gt_sem_seg.data)
        assert masks.dtype == found['data_samples'].gt_sem_seg.data.dtype
        # and the losses with them
        logits = torch.randn(6, 1, 20, 24)
        head = UNetHead(in_channels=(4, 8), loss_decode=[dict(type='BinaryDiceLoss')])
        losses = [head.loss_by_feat(logits, each['data_samples']) for each in (samples, found)]
        assert losses[0] == losses[1]
    assert torch.equal(batch['inputs'], before[0])
    assert torch.equal(batch['data_samples'].gt_sem_seg.data, before[1])


def test_what_takes_no_whole_batches_is_refused(moon):
    def runner(collate='batch_collate', **parts):
        head = UNetHead(in_channels=(4, 8))
        parts = dict(data_preprocessor=BatchAugPreProcessor(), decode_head=head) | parts
        loader = DataLoader(whole(moon), 2, collate_fn=batch_collate)
        cfg = Config(dict(train_dataloader=dict(collate_fn=dict(type=collate))))
        return SimpleNamespace(model=SimpleNamespace(**parts), train_dataloader=loader, cfg=cfg)

    require_a_batch(runner())
    for changed in (
        dict(collate='pseudo_collate'),
        dict(data_preprocessor=SegDataPreProcessor()),
        dict(auxiliary_head=torch.nn.Identity()),
    ):
        with pytest.raises(UsageError, match='gives whole batches, which need'):
            require_a_batch(runner(**changed))

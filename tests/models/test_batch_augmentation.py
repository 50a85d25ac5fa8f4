"""Augmentation of batches, of samples or whole: masks stay exact, image and mask move together, a step decides its random numbers."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import PixelData
from mmseg.models import FCNHead, SegDataPreProcessor
from mmseg.structures import SegDataSample

import custom_modules.segmentation  # noqa: F401
from custom_modules.datasets import cache
from custom_modules.datasets.mask_datasets import MoonDataset, SegBatch, seg_batch_collate
from custom_modules.datasets.transforms import RandomAffine
from custom_modules.engine.config_checks import require_one_augmentation
from custom_modules.models import batch_augmentations
from custom_modules.models.batch_photometric import BatchPhotoMetricDistortion, BatchRandomBlur, BatchRandomGamma
from custom_modules.models.data_preprocessor import BatchAugPreProcessor, BatchRandomAffine
from custom_modules.models.unet_head import UNetHead
from custom_modules.utils.errors import UsageError

NORMALISED = dict(mean=[120.0, 110, 100], std=[60.0, 50, 40], bgr_to_rgb=True, seg_pad_val=255)
FLIP = dict(type='BatchRandomFlip', prob=1.0)
FLOP = dict(type='BatchRandomFlip', prob=1.0, direction='vertical')
AFFINE = dict(type='BatchRandomAffine', prob=1.0, degree=45, translate=0.1, scale=0.2)
STILL = [
    dict(type='BatchPhotoMetricDistortion', prob=1.0),
    dict(type='BatchRandomGamma', prob=1.0),
    dict(type='BatchRandomNoise'),
    dict(type='BatchRandomBlur'),
]
EACH = [FLIP, FLOP, AFFINE, *STILL, dict(type='BatchRandomChoice', augments=[AFFINE, *STILL])]
SCOPE = 'mmseg'
pytestmark = pytest.mark.usefixtures('hub')
LOAD = [dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'ResizeToLoadSize')]
PACK = dict(type='PackSegInputs')


def make_batch(count: int = 4, size: tuple[int, int] = (40, 48)) -> dict:
    """Coloured noise with labels 0, 1 and 3 and some ignored pixels."""
    rng = np.random.default_rng(1)
    inputs, samples = [], []
    for _ in range(count):
        inputs.append(torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8)))
        labels = torch.from_numpy(rng.choice([0, 1, 3, 255], (1, *size)))
        meta = dict(ori_shape=size, img_shape=size, img_path=f'{len(inputs)}.png')
        samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=labels)))
    return dict(inputs=inputs, data_samples=samples)


def raw(*augments: dict, **options) -> BatchAugPreProcessor:
    """No normalisation: grey values are seen as the augmentations see them."""
    return BatchAugPreProcessor(augments=augments, size_divisor=1, **options)


def masks_of(batch: dict) -> torch.Tensor:
    return torch.stack([sample.gt_sem_seg.data for sample in batch['data_samples']])


@pytest.mark.parametrize('pad', [dict(size_divisor=32), dict(size_divisor=None, size=(50, 60), pad_val=7)])
def test_off_is_mmsegs_own(pad):
    options = dict(NORMALISED, **pad)
    for augments, training in ((EACH, False), ([dict(augment, prob=0.0) for augment in EACH], True)):
        ours = BatchAugPreProcessor(augments=augments, **options)(make_batch(), training)
        stock = SegDataPreProcessor(**options)(make_batch(), training)
        assert torch.equal(ours['inputs'], stock['inputs']) and ours['inputs'].dtype == torch.float32
        assert torch.equal(masks_of(ours), masks_of(stock)) and masks_of(ours).dtype == masks_of(stock).dtype
        one, other = ([sample.metainfo for sample in found['data_samples']] for found in (ours, stock))
        assert one == other


@pytest.mark.parametrize('augment', EACH, ids=lambda augment: augment['type'])
def test_labels_stay_exact_and_the_caller_keeps_its_own(augment):
    batch, untouched = make_batch(), make_batch()
    for sample in (*batch['data_samples'], *untouched['data_samples']):
        # between 0 and 3 lie 1 and 2, which an interpolation would bring
        sample.gt_sem_seg.data[sample.gt_sem_seg.data == 1] = 3
    if augment in STILL:
        # a float input could be changed in place
        batch['inputs'] = [image.float() for image in batch['inputs']]
    out = raw(augment)(batch, True)
    for image, given in zip(batch['inputs'], untouched['inputs'], strict=True):
        assert torch.equal(image, given.to(image.dtype))
    before, after = masks_of(untouched), masks_of(out)
    assert torch.equal(masks_of(batch), before)
    assert batch['data_samples'][0].metainfo == untouched['data_samples'][0].metainfo
    assert set(after.unique().tolist()) == {0, 3, 255}
    images = torch.stack(untouched['inputs'])
    assert torch.equal(after, before) == (augment in STILL)
    assert not torch.equal(out['inputs'], images.float())
    assert out['inputs'].min() >= 0 and out['inputs'].max() <= 255


@pytest.mark.parametrize('augments', [[FLIP], [FLOP], [AFFINE], [FLIP, FLOP, AFFINE]])
def test_a_marker_is_followed_by_its_label(augments):
    image, mask = torch.zeros(3, 96, 128, dtype=torch.uint8), torch.zeros(1, 96, 128).long()
    image[:, 30:50, 40:64], mask[:, 30:50, 40:64] = 255, 2
    samples = [SegDataSample(gt_sem_seg=PixelData(data=mask)) for _ in range(24)]
    out = raw(*augments)(dict(inputs=[image] * 24, data_samples=samples), True)

    def centre(area):
        return area.nonzero().float().mean(dim=0)

    moved = []
    for picture, labels in zip(out['inputs'], masks_of(out), strict=True):
        bright, labelled = picture[0] > 127, labels[0] == 2
        assert (centre(bright) - centre(labelled)).norm() < 0.5
        assert (bright & labelled).sum() > 0.95 * (bright | labelled).sum()
        moved.append((centre(labelled) - centre(mask[0] == 2)).norm())
        # what came in is black and ignored
        outside = labels[0] == 255
        assert not outside.any() or picture[0][outside].max() == 0
    assert np.mean(moved) > 5
    if AFFINE in augments:
        # each by its own numbers
        assert len({tuple(centre(labels[0] == 2).tolist()) for labels in masks_of(out)}) == 24


def test_affine_is_the_per_sample_transform(monkeypatch):
    """The same angle, factor and shift in both: the same direction, the same centre, the same border."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.float32), (0, 0), 3)
    mask = (image[..., 0] > image[..., 0].mean()).astype(np.uint8)
    values = np.array([[25.0, 1.1, 0.1, -0.05]])
    draws = iter([values[0, 0], values[0, 1], values[0, 2:]])
    single = RandomAffine(prob=1.0)
    monkeypatch.setattr(np.random, 'uniform', lambda *args: next(draws))
    results = single.transform(dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map']))
    images = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    images, masks = BatchRandomAffine().apply(images, torch.from_numpy(mask)[None, None].long(), values)
    # OpenCV rounds places to 1/32 pixel
    inside = results['gt_seg_map'] != 255
    difference = np.abs(images[0].numpy().transpose(1, 2, 0) - results['img'])
    assert difference[cv2.erode(inside.astype(np.uint8), np.ones((3, 3))) > 0].max() < 2
    assert (masks[0, 0].numpy() == results['gt_seg_map']).mean() > 0.99
    assert 0.05 < 1 - inside.mean() < 0.5


def test_grey_values_by_hand():
    images = torch.tensor([0.0, 100, 200]).expand(2, 3, 1, 3).contiguous()
    out, _ = BatchPhotoMetricDistortion().apply(images.clone(), None, np.array([[80, 0.5], [-120, 2.0]]))
    # clipped after each of the two
    assert out[:, 0, 0].tolist() == [[40, 90, 127.5], [0, 0, 160]]
    out, _ = BatchRandomGamma().apply(images.clone(), None, np.array([[2.0], [0.5]]))
    assert torch.allclose(out[:, 0, 0], torch.tensor([[255 * (x / 255) ** g for x in (0, 100, 200)] for g in (2.0, 0.5)]))


def test_blur_is_opencvs():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 30, 40)).astype(np.float32)
    blur, sigmas = BatchRandomBlur(sigma=1.5), np.array([[0.6], [1.5]])
    out, _ = blur.apply(torch.from_numpy(images), None, sigmas)
    for image, blurred, (sigma,) in zip(images, out, sigmas, strict=True):
        assert np.abs(blurred.numpy().transpose(1, 2, 0) - cv2.GaussianBlur(image.transpose(1, 2, 0), (0, 0), sigma)).max() < 0.5


def test_probability_is_that_of_a_sample():
    batch = make_batch(count=400)
    flipped = raw(dict(FLIP, prob=0.25))(batch, True)
    changed = (masks_of(flipped) != masks_of(batch)).flatten(1).any(dim=1)
    assert changed.float().mean() == pytest.approx(0.25, abs=0.07)
    assert torch.equal(masks_of(flipped)[changed], masks_of(batch).flip(-1)[changed])
    after, before = masks_of(raw(dict(type='BatchRandomChoice', prob=0.5, augments=[FLIP, FLOP]))(batch, True)), masks_of(batch)
    wanted = torch.stack([before, before.flip(-1), before.flip(-2)])
    shares = (after == wanted).flatten(2).all(dim=2).float().mean(dim=1).tolist()
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.08) and sum(shares) == pytest.approx(1)


def test_two_processes_draw_what_one_does(monkeypatch, repository):
    presets = Config.fromfile(repository / 'configs' / 'unet_baseline.py').batch_augments
    processor = BatchAugPreProcessor(augments=presets.strong.augments, size_divisor=32, **NORMALISED)
    whole, batch = processor(make_batch(count=12), True), make_batch(count=12)
    monkeypatch.setattr(batch_augmentations, 'get_world_size', lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(batch_augmentations, 'get_rank', lambda rank=rank: rank)
        # as DefaultSampler deals them out
        out = processor({key: values[rank::2] for key, values in batch.items()}, True)
        assert torch.equal(masks_of(out), masks_of(whole)[rank::2])
        assert torch.allclose(out['inputs'], whole['inputs'][rank::2], atol=1e-5)


def test_a_map_that_would_not_move_with_the_image_is_refused():
    depth = make_batch()
    depth['data_samples'][0].gt_depth_map = PixelData(data=torch.zeros(1, 40, 48))
    with pytest.raises(UsageError, match='gt_depth_map'):
        raw(FLIP)(depth, True)


def test_one_line_without_the_other_is_refused(repository):
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    require_one_augmentation(cfg)
    cfg.model.data_preprocessor = cfg.batch_augments.default
    with pytest.raises(UsageError, match='RandomFlip.* would be done again'):
        require_one_augmentation(cfg)
    cfg.train_dataloader.dataset.pipeline = cfg.plain_pipeline
    require_one_augmentation(cfg)


def whole(root, pipeline=(*LOAD, PACK), **options) -> MoonDataset:
    given = dict(load_size=(48, 40), cache='batches', pipeline=[dict(step) for step in pipeline])
    dataset = MoonDataset(str(root), **given | options)
    dataset.full_init()
    return dataset


def test_what_fits_into_no_whole_batch_is_said(moon):
    # what is read for scores stays single
    dataset = whole(moon, split='val', test_mode=True)
    assert dataset.cache == 'ram' and isinstance(dataset.__getitems__([0, 1]), list)
    with pytest.raises(UsageError, match='RandomFlip may change'):
        whole(moon, [*LOAD, dict(type='RandomFlip', prob=0.5), PACK])
    with pytest.raises(UsageError, match=r'keeps colours of 8 bits, and the pipeline gives float32 \(40, 48, 3\)'):
        whole(moon, [dict(LOAD[0], to_float32=True), *LOAD[1:], PACK])


@pytest.mark.parametrize('size_divisor', [1, 32])
@pytest.mark.parametrize('preset', ['default', 'strong', 'camera', 'report3', None])
def test_a_whole_batch_is_augmented_as_its_samples_are(moon, repository, hub, monkeypatch, preset, size_divisor):
    """The same numbers, to the last bit, and the batch itself is not changed."""
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    augments = cfg.batch_augments[preset].augments if preset else [dict(type='BatchRandomBlur', prob=0)]
    options = dict(NORMALISED, augments=augments, size_divisor=size_divisor)
    one, other = BatchAugPreProcessor(**options), BatchAugPreProcessor(**options)
    # several processes decode
    monkeypatch.setattr(cache, 'MOST_PER_TASK', 3)
    dataset, rows = whole(moon), [5, 0, 5, 2, 7, 1]
    batch, listed = dataset.__getitems__(rows), [dataset[row] for row in rows]
    joined = seg_batch_collate(listed)
    assert seg_batch_collate(batch) is batch and joined['data_samples'].img_path == batch['data_samples'].img_path
    before = batch['inputs'].clone(), batch['data_samples'].gt_sem_seg.data.clone()
    assert before[0].dtype == torch.uint8 and before[1].any()
    assert batch['data_samples'].img_path == [dataset.get_data_info(i)['img_path'] for i in rows]
    for step, given in enumerate((batch, joined, batch)):
        hub.update_info('iter', step)
        samples, found = one(pseudo_collate(listed), True), other(given, True)
        assert torch.equal(samples['inputs'], found['inputs'])
        masks = torch.stack([sample.gt_sem_seg.data[0] for sample in samples['data_samples']])
        assert torch.equal(masks, found['data_samples'].gt_sem_seg.data)
        assert masks.dtype == found['data_samples'].gt_sem_seg.data.dtype
        logits = torch.randn(6, 2, 20, 24)
        # mmseg's own heads read samples one by one
        for head in (
            UNetHead(in_channels=(4, 8), loss_decode=[dict(type='BinaryDiceLoss')]),
            FCNHead(in_channels=4, channels=4, num_classes=2, loss_decode=dict(type='DiceLoss')),
        ):
            losses = [head.loss_by_feat(logits[:, : head.out_channels], x['data_samples']) for x in (samples, found)]
            assert losses[0] == losses[1]
    assert torch.equal(batch['inputs'], before[0])
    assert torch.equal(batch['data_samples'].gt_sem_seg.data, before[1])


def test_what_does_not_fit_together_stays_a_list():
    data = [dict(inputs=image, data_samples=sample) for image, sample in zip(*make_batch().values(), strict=True)]
    joined = seg_batch_collate(data)
    # a preprocessor that knows nothing of such batches
    stock = SegDataPreProcessor(**NORMALISED, size_divisor=32)
    one, other = stock(pseudo_collate(data), True), stock(joined, True)
    assert isinstance(joined['data_samples'], SegBatch)
    assert torch.equal(one['inputs'], other['inputs']) and torch.equal(masks_of(one), masks_of(other))
    smaller = make_batch(1, (32, 32))
    data[1] = dict(inputs=smaller['inputs'][0], data_samples=smaller['data_samples'][0])
    assert isinstance(seg_batch_collate(data)['inputs'], list)
    data[1] = dict(
        inputs=data[0]['inputs'], data_samples=SegDataSample(**dict(data[0]['data_samples'].items()), gt_depth_map=PixelData())
    )
    assert isinstance(seg_batch_collate(data)['inputs'], list)

"""A loss falls when the prediction gets better; heads give nothing but losses; a student imitates its teacher."""

import math

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from custom_modules.models.losses import BinaryDiceLoss, BinaryFocalLoss, BinaryTverskyLoss

pytestmark = pytest.mark.usefixtures('segmentation')
LABEL = torch.zeros(2, 8, 8, dtype=torch.long)
LABEL[:, 2:5, 3:7] = 1

LOSSES = [
    dict(type='CrossEntropyLoss', use_sigmoid=True, class_weight=[5.0]),
    dict(type='BinaryDiceLoss'),
    dict(type='BinaryTverskyLoss'),
    dict(type='BinaryTverskyLoss', alpha=0.7, beta=0.3, per_image=True),
    dict(type='BinaryFocalLoss'),
    # mmseg's own is right for one channel, image by image
    dict(type='LovaszLoss', loss_type='binary', per_image=True),
]
HEAD = dict(type='UNetHead', loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
NETWORK = dict(backbone=dict(type='MobileEncoder'), decode_head=HEAD)


def logits(label: torch.Tensor, strength: float = 8.0) -> torch.Tensor:
    return ((label == 1).float() * 2 - 1)[:, None] * strength


@pytest.fixture(params=LOSSES, ids=str)
def loss(request):
    return MODELS.build(dict(request.param, _scope_='mmseg'))


def test_costs_fall_all_the_way_to_the_truth(loss):
    """Not only at the ends: each step from the opposite to the truth is a step down."""
    costs = [float(loss(s * logits(LABEL, 1.0), LABEL)) for s in (-8, -6, -3, -1, 0, 0.5, 0.9, 8)]
    assert costs[-1] < 0.05 < 0.5 < costs[0]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == len(costs)


def test_ignored_pixels_do_not_count(loss):
    label = LABEL.clone()
    label[:, :, 0] = 255
    prediction = logits(LABEL).requires_grad_()
    loss(-prediction, label, ignore_index=255).backward()
    assert (prediction.grad[..., 0] == 0).all() and (prediction.grad[..., 1:] != 0).any()


@pytest.mark.parametrize(
    ('loss', 'expected'),
    [
        # overlap 0.8 + 0.4; sum of probabilities 1.4 and of labels 2 without the ignored pixel
        (BinaryDiceLoss(smooth=1, loss_weight=3), 3 * (1 - (2 * 1.2 + 1) / (1.4 + 2 + 1))),
        # hit 0.8 + 0.4, invented 0.2, missed 0.2 + 0.6
        (BinaryTverskyLoss(alpha=0.3, beta=0.7, smooth=1), 1 - (1.2 + 1) / (1.2 + 0.3 * 0.2 + 0.7 * 0.8 + 1)),
        (
            BinaryFocalLoss(alpha=0.75, gamma=2),
            -0.75 * 0.2**2 * math.log(0.8) / 3 - 0.75 * 0.6**2 * math.log(0.4) / 3 - 0.25 * 0.2**2 * math.log(0.8) / 3,
        ),
    ],
)
def test_costs_equal_a_computation_by_hand(loss, expected):
    label = torch.tensor([[[1, 1], [0, 255]]])
    torch.testing.assert_close(loss(torch.tensor([[[[0.8, 0.4], [0.2, 0.9]]]]).logit(), label), torch.tensor(expected))


@pytest.mark.parametrize(('per_image', 'expected'), [(False, 1 / 3), (True, 1 / 2)])
def test_per_image_differs_from_per_batch(per_image, expected):
    label = torch.zeros(2, 4, 4, dtype=torch.long)
    label[0] = 1
    found = BinaryDiceLoss(smooth=0, per_image=per_image)(torch.full((2, 1, 4, 4), 8.0), label)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-3, rtol=0)


@pytest.mark.parametrize('name', ['unet_baseline', 'multiclass/deeplabv3plus_r50'])
def test_heads_give_losses_only(name, repository):
    cfg = Config.fromfile(repository / 'configs' / f'{name}.py').model.decode_head
    if name == 'unet_baseline':
        cfg.in_channels = [2, 2, 2, 2, 2]
    head = MODELS.build(cfg)
    # of one channel; mmseg's is 0.3
    assert head.threshold == (0.5 if head.out_channels == 1 else None)
    torch.manual_seed(0)
    logits = torch.randn(2, head.out_channels, 8, 8)
    label = torch.randint(0, 2, (2, 1, 16, 16))
    label[:, :, :3] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=each)) for each in label]
    losses = head.loss_by_feat(logits, samples)
    stock = DepthwiseSeparableASPPHead.loss_by_feat(head, logits, samples)
    assert {k: v.item() for k, v in losses.items()} == {k: v.item() for k, v in stock.items() if k != 'acc_seg'}
    with pytest.raises(ValueError, match='has no pixel sampler: weight or choose'):
        MODELS.build(dict(cfg, sampler=dict(type='OHEMPixelSampler', thresh=0.7)))
    with pytest.raises(ValueError, match='UNetHead is built of BN, got norm_cfg='):
        MODELS.build(dict(type='UNetHead', in_channels=[4, 8], norm_cfg=dict(type='SyncBN')))


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(0)
    config = dict(type='UNetSegmentor', **NETWORK)
    torch.save({'state_dict': MODELS.build(config).state_dict()}, tmp_path / 'teacher.pth')
    return dict(config, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'teacher.pth')))


def test_unlabelled_pixels_are_learnt_from_a_teacher_who_does_not_stay(teacher):
    torch.manual_seed(1)
    model = MODELS.build(dict(type='DistilledSegmentor', teacher=teacher, **NETWORK))
    model.init_weights()
    images = torch.randn(2, 3, 32, 32)
    unknown = SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, 32, 32), 255)))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    (knows,) = model._teachers
    apart = []
    for _ in range(13):
        with torch.no_grad():
            answers = [one(images, mode='tensor').sigmoid() for one in (model, knows)]
        apart.append((answers[0] - answers[1]).abs().mean())
        losses = model(images, [unknown, unknown], mode='loss')
        assert losses['decode.loss_ce'] == 0
        optimizer.zero_grad()
        losses['loss_imitation'].backward()
        optimizer.step()
    assert apart[-1] < apart[0] / 2
    # its weights are those of a segmentor without a teacher
    assert list(model.state_dict()) == list(MODELS.build(dict(type='UNetSegmentor', **NETWORK)).state_dict())


def test_a_teacher_that_knows_nothing_is_refused(teacher):
    with pytest.raises(ValueError, match='needs weights'):
        MODELS.build(dict(type='DistilledSegmentor', teacher=dict(teacher, init_cfg=None), **NETWORK))
    other = dict(teacher, data_preprocessor=dict(type='SegDataPreProcessor', mean=[0] * 3, std=[255] * 3))
    with pytest.raises(ValueError, match='see images of another mean'):
        MODELS.build(dict(type='DistilledSegmentor', teacher=other, **NETWORK)).init_weights()

"""A student imitates its teacher where nothing is labelled, and keeps nothing of it."""

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import custom_modules.segmentation  # noqa: F401

HEAD = dict(type='UNetHead', loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
NETWORK = dict(backbone=dict(type='MobileEncoder'), decode_head=HEAD)


def student(teacher):
    return MODELS.build(dict(type='DistilledSegmentor', teacher=teacher, **NETWORK))


@pytest.fixture
def teacher(tmp_path):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    config = dict(type='UNetSegmentor', **NETWORK)
    torch.save({'state_dict': MODELS.build(config).state_dict()}, tmp_path / 'teacher.pth')
    return dict(config, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'teacher.pth')))


def test_unlabelled_pixels_are_learnt_from_the_teacher(teacher):
    torch.manual_seed(1)
    model = student(teacher)
    model.init_weights()
    images = torch.randn(2, 3, 32, 32)
    unknown = SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, 32, 32), 255)))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    (knows,) = model._teachers

    def apart() -> float:
        with torch.no_grad():
            answers = [one(images, mode='tensor').sigmoid() for one in (model, knows)]
        return float((answers[0] - answers[1]).abs().mean())

    before = apart()
    for _ in range(12):
        losses = model(images, [unknown, unknown], mode='loss')
        assert losses['decode.loss_ce'] == 0
        optimizer.zero_grad()
        losses['loss_imitation'].backward()
        optimizer.step()
    assert apart() < before / 2


def test_weights_are_those_of_a_segmentor_without_a_teacher(teacher):
    model = student(teacher)
    model.init_weights()
    alone = MODELS.build(dict(type='UNetSegmentor', **NETWORK))
    assert list(model.state_dict()) == list(alone.state_dict())
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in alone.parameters())


def test_a_teacher_that_knows_nothing_is_refused(teacher):
    with pytest.raises(ValueError, match='needs weights'):
        student(dict(teacher, init_cfg=None))
    model = student(dict(teacher, decode_head=dict(HEAD, num_classes=3)))
    with pytest.raises((ValueError, RuntimeError), match='output channels'):
        model.init_weights()

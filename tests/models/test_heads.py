"""No head of the configs computes an accuracy in each step, and the losses are mmseg's."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.structures import SegDataSample


@pytest.mark.parametrize('name', ['unet_baseline', 'multiclass/deeplabv3plus_r50'])
def test_losses_only(name, repository):
    init_default_scope('mmseg')
    import custom_modules.segmentation  # noqa: F401

    cfg = Config.fromfile(repository / 'configs' / f'{name}.py').model.decode_head
    if name == 'unet_baseline':
        cfg.in_channels = [2, 2, 2, 2, 2]
    head = MODELS.build(cfg)
    torch.manual_seed(0)
    logits = torch.randn(2, head.out_channels, 8, 8)
    label = torch.randint(0, 2, (2, 1, 16, 16))
    label[:, :, :3] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=each)) for each in label]
    losses = head.loss_by_feat(logits, samples)
    assert losses and all('loss' in name for name in losses)
    stock = DepthwiseSeparableASPPHead.loss_by_feat(head, logits, samples)
    stock.pop('acc_seg')
    assert {k: v.item() for k, v in losses.items()} == {k: v.item() for k, v in stock.items()}


def test_a_sampler_is_refused(repository):
    init_default_scope('mmseg')
    import custom_modules.segmentation  # noqa: F401

    cfg = Config.fromfile(repository / 'configs' / 'multiclass' / 'deeplabv3plus_r50.py')
    head = dict(cfg.model.decode_head, sampler=dict(type='OHEMPixelSampler', thresh=0.7))
    with pytest.raises(ValueError, match='LeanASPPHead has no pixel sampler: weight or choose'):
        MODELS.build(head)

"""A network's stages are those of its modules; its drawing shows them all."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

import custom_modules.segmentation  # noqa: F401
from custom_modules.reporting.architecture import describe_architecture
from custom_modules.reporting.plots import _drawn, draw_architecture


def describe(repository, name: str, size=(64, 64), **options):
    cfg = Config.fromfile(repository / 'configs' / f'{name}.py')
    if cfg.default_scope == 'mmpretrain':
        import custom_modules.classification  # noqa: F401
    init_default_scope(cfg.default_scope)
    # no weights are read
    cfg.model.backbone.pop('init_cfg', None)
    cfg.merge_from_dict(options)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    return model, describe_architecture(model, size, cfg)


@pytest.mark.parametrize(
    ('name', 'u_shaped', 'channels'),
    [
        ('unet_baseline', True, 1),
        ('rock_detector_synthetic', True, 1),
        ('reference/report3_narrow_resnet_scratch', True, 1),
        ('reference/report2_simple_net_unfreeze', True, 1),
        ('multiclass/unet_r34', True, 3),
        ('multiclass/deeplabv3plus_r50', False, 3),
        ('classifier_14_classes', False, 14),
    ],
)
def test_every_kind_of_network_is_described_and_drawn(repository, name, u_shaped, channels):
    model, network = describe(repository, name)
    # each parameter belongs to one stage
    assert network.parameters == sum(p.numel() for p in model.parameters())
    assert network.is_u_shaped is u_shaped
    first, last = network.stages[0], network.stages[-1]
    assert (first.in_channels, first.inputs) == (3, ('input',))
    assert (last.name, last.channels) == ('output', channels)
    known = ['input']
    for stage in network.stages:
        # what it takes was there before
        assert stage.inputs and set(stage.inputs) <= set(known), stage
        known.append(stage.name)
    assert len(set(known)) == len(known)
    boxes = _drawn(network)
    assert sum(box.parameters for box in boxes) == network.parameters
    picture = cv2.imdecode(np.frombuffer(draw_architecture(network, '$x$'), np.uint8), 1)
    assert min(picture.shape[:2]) > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize(
    ('name', 'options', 'stem', 'last'),
    [
        ('unet_backbone_scratch', {}, '', ''),
        ('unet_backbone_frozen', {}, 'always', 'always'),
        ('unet_backbone_unfreeze', {}, 'for 25 epochs', 'for 10 epochs'),
        ('unet_backbone_scratch', {'model.backbone.frozen_stages': 1}, 'always', ''),
    ],
)
def test_what_is_frozen_is_said(repository, name, options, stem, last):
    _, network = describe(repository, name, **options)
    found = {stage.name: stage.frozen for stage in network.stages}
    assert (found['stem'], found['stage 4'], found['up 1']) == (stem, last, '')

"""Small networks with random weights, as a user gives them, and a detector whose answers are exact to compute by hand."""

from pathlib import Path

import numpy as np
import torch
from conftest import write_config

from custom_modules.deploy import detector
from custom_modules.evaluation.exported import ModelCard

SEVERAL = dict(dataset=dict(load_size=(64, 96)))
# of each the base, and what differs
CONFIGS = {
    # the encoder asleep, as it is published; grey, as the detectors see
    'segmentor': (
        'unet_backbone_scratch',
        'model = dict(\n'
        '    backbone=dict(widths=(4, 8, 8, 8, 8), depths=(1, 1, 1, 1), grey_standardize=True, frozen_stages=2),\n'
        '    decode_head=dict(threshold=0.4))\n'
        'val_dataloader = dict(dataset=dict(load_size=(64, 64)))\ntest_dataloader = val_dataloader\n',
    ),
    'several': (
        'multiclass/unet_r34',
        'model = dict(backbone=dict(init_cfg=None, base_channels=4, stem_channels=4))\n'
        f'val_dataloader = {SEVERAL}\ntest_dataloader = {SEVERAL}\n',
    ),
    'cascade': (
        'unet_baseline',
        'head = dict(in_channels=8, in_index=0, channels=4, num_classes=2, norm_cfg=dict(type="BN"))\n'
        'heads = [dict(type="FCNHead", **head), dict(type="OCRHead", ocr_channels=4, **head)]\n'
        'model = dict(type="CascadeEncoderDecoder", num_stages=2, backbone=dict(widths=(8, 8)), decode_head=heads)\n'
        f'val_dataloader = {SEVERAL}\ntest_dataloader = {SEVERAL}\n',
    ),
    'classifier': ('reference/report2_simple_net_classifier', ''),
}


def write_model(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a config and a checkpoint of random weights that do not all say the same."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    config, checkpoint = write_config(folder / f'{name}.py', *CONFIGS[name]), folder / f'{name}.pth'
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    if hasattr(model, 'decode_head'):
        # spread the logits around the threshold
        head = model.eval().decode_head
        layer = (head[-1] if name == 'cascade' else head).conv_seg
        with torch.no_grad():
            logits = model(torch.randn(2, 3, 64, 64), mode='tensor')
            layer.weight *= 2 / logits.std()
            layer.bias.copy_((layer.bias - logits.mean((0, 2, 3))) * 2 / logits.std())
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return config, checkpoint


ROCK = ModelCard(
    task='segmentation',
    classes=('background', 'rock'),
    palette=((40, 40, 40), (230, 159, 0)),
    threshold=0.5,
    size=(64, 64),
    source='bright 0',
)


class BrightRocks:
    """The probability of a pixel is its brightness; ``batches`` says how many windows each call had."""

    def __init__(self, card: ModelCard = ROCK) -> None:
        self.card, self.device, self.batches = card, 'cpu', []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.uint8 and images.shape[1:] == (*self.card.size[::-1], 3)
        self.batches.append(len(images))
        return images.mean(axis=3, dtype=np.float32)[:, None] / 255


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def bright_detector(monkeypatch, model=None, **settings) -> detector.RockDetector:
    """Make a RockDetector with this model in place of a file's."""
    model = model or BrightRocks()
    monkeypatch.setattr(detector, 'load_predictor', lambda *given, **where: model)
    return detector.RockDetector(**settings)

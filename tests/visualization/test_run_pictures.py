"""What a run shows while it trains: the same images again and again, each part's rate, what is frozen."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import MOON_OPTIONS, make_moon
from mmengine.runner import Runner

from custom_modules.engine.config import load_config, read_options

NAMES = ('0000_render0004', '0001_render0008')


@pytest.fixture(scope='module')
def trained(tmp_path_factory, repository):
    """Four epochs of the unfreezing experiment, small, with two validation images in one batch."""
    folder = tmp_path_factory.mktemp('pictures')
    moon = make_moon(folder / 'moon')
    config = str(repository / 'configs' / 'unet_backbone_unfreeze.py')
    options = [
        *MOON_OPTIONS[:-1],
        'train_cfg.max_epochs=4',
        'val_dataloader.batch_size=2',
        'model.backbone.init_cfg=None',
        'default_hooks.fixed_samples.interval=3',
        'default_hooks.logger.interval=1',
        # far enough for the predictions to change
        'optim_wrapper.optimizer.lr=0.01',
        'model.decode_head.init_cfg=None',
    ]
    cfg = load_config(config, read_options(options), folder / 'run')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(moon)
    cfg.default_hooks.freeze_schedule.schedule = {0: 4, 1: 2, 2: -1}
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def cells(file) -> np.ndarray:
    """Input, truth and prediction of a picture of 64x64 images, below their captions."""
    panel = cv2.imread(str(file))[-64:]
    assert panel.shape == (64, 3 * 64, 3)
    return np.stack(np.split(panel, 3, axis=1))


def test_images_stay_predictions_move_and_the_last_is_the_models(trained):
    folder = Path(trained.log_dir) / 'vis_data' / 'fixed_samples'
    # the first validation, the one that completes three epochs, the last
    expected = [f'{name}_epoch_{epoch:03d}.png' for name in NAMES for epoch in (1, 3, 4)]
    assert sorted(file.name for file in folder.iterdir()) == expected
    # nothing else draws, and mmengine's own picture files are not there a second time
    assert sorted(Path(trained.log_dir).rglob('*.png')) == sorted(folder.iterdir())
    dataset, moved = trained.val_dataloader.dataset, 0
    trained.model.eval()
    for index, name in enumerate(NAMES):
        first, third, last = (cells(file) for file in sorted(folder.glob(f'{name}*')))
        assert (first[:2] == last[:2]).all() and (first[:2] == third[:2]).all()
        moved += (first[2] != last[2]).any()
        path = dataset.get_data_info(index)['img_path']
        assert path.endswith(f'{name[5:]}.png')
        with torch.no_grad():
            batch = trained.val_dataloader.collate_fn([dataset[index]])
            predicted = trained.model.test_step(batch)[0].pred_sem_seg.data
        image = cv2.imread(path)
        assert (last[0] == image).all()
        colour, alpha = np.array(dataset.metainfo['palette'][1])[::-1], trained.visualizer.alpha
        truth = cv2.imread(path.replace('render', 'ground'), cv2.IMREAD_GRAYSCALE) > 0
        for cell, rock in ((last[1], truth), (last[2], predicted[0].numpy() > 0)):
            expected = np.where(rock[..., None], (1 - alpha) * image + alpha * colour, image)
            assert np.abs(cell - expected).max() <= 1
    assert moved, 'the prediction of the first epoch is not that of the last'


def test_every_part_has_its_own_rate_and_stages_follow_the_schedule(trained):
    folder = Path(trained.log_dir)
    lines = (folder / 'vis_data' / 'scalars.json').read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if 'loss' in row]
    assert len(rows) == 8
    for row in rows:
        # mmengine's own: the rate of the first group, the encoder's, and the one without multiplier
        assert row['lr/backbone_lr'] == row['lr'] == pytest.approx(0.1 * row['lr/decode_head_lr'])
        assert row['lr/decode_head_lr'] == row['base_lr']
    rates = [row['lr/decode_head_lr'] for row in rows]
    assert len(set(rates)) > 4, 'the current value, no constant'
    log = next(folder.glob('*.log')).read_text()
    assert f'lr/backbone_lr: {rates[0] / 10:.4e} lr/decode_head_lr: {rates[0]:.4e} ' in log
    frozen = [(row['epoch'], row['frozen_stages']) for row in rows[::2]]
    assert frozen == [(1, 4), (2, 2), (3, -1), (4, -1)]

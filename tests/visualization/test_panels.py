"""Panels show what they say, and a run shows the same images again and again while it trains."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import fresh_process, loader_options, logged, make_moon
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from custom_modules.engine.config import load_config, read_options
from custom_modules.evaluation.predictions import Prediction
from custom_modules.visualization.drawing import ERROR_COLOURS, PANEL_GAP, PredictionPanel, legend_strip
from custom_modules.visualization.visualizer import PanelVisualizer

PALETTE = [[0, 0, 0], [200, 0, 0]]
SIDE = 384
# in the middle of the upper left, upper right, lower left, lower right quarter
QUARTERS = [(SIDE // 4 * i, SIDE // 4 * j) for i in (1, 3) for j in (1, 3)]
GREY, ROCK = [100] * 3, [150, 50, 50]
# truth is the left half, found the upper one, in the order of the quarters
CELLS = [[GREY] * 4, [ROCK, GREY, ROCK, GREY], [ROCK, ROCK, GREY, GREY]]
NAMES = ('0000_render0004', '0001_render0008')


def colours(cell) -> list:
    return [cell[q].tolist() for q in QUARTERS]


def test_the_four_cells_are_in_place_and_coloured(tmp_path):
    truth, predicted = np.zeros((2, 64, 64), np.uint8)
    truth[:, :32], predicted[:32] = 1, 1
    Image.fromarray(np.full((64, 64, 3), 100, np.uint8)).save(tmp_path / 'a.png')
    probabilities = np.eye(2, dtype=np.float32)[predicted].transpose(2, 0, 1)
    panel = PredictionPanel(('background', 'rock'), PALETTE)
    drawn = panel.draw(Prediction(str(tmp_path / 'a.png'), truth, predicted, probabilities))
    assert drawn.shape[1] == 4 * SIDE + 3 * PANEL_GAP
    below = legend_strip(panel.legend(), drawn.shape[1]).shape[0]
    row = drawn[drawn.shape[0] - below - SIDE : drawn.shape[0] - below]
    *cells, errors = (row[:, i * (SIDE + PANEL_GAP) :][:, :SIDE] for i in range(4))
    assert list(map(colours, cells)) == CELLS
    names = ('true positive', 'false positive', 'false negative')
    expected = [0.2 * 60 + 0.8 * np.array(kind) for kind in map(ERROR_COLOURS.get, names)] + [[60] * 3]
    # float32 rounds down at times
    assert np.abs(np.array(colours(errors)) - expected).max() <= 1.5
    # each pixel is 6x6: the border between the halves is where it belongs
    assert cells[1][0, SIDE // 2 - 1].tolist() == ROCK and cells[1][0, SIDE // 2].tolist() == GREY


def test_masks_of_another_size_lie_where_they_belong(tmp_path):
    truth, predicted = torch.zeros(2, 1, 32, 32)
    truth[..., :16], predicted[:, :16] = 1, 1
    sample = SegDataSample(gt_sem_seg=PixelData(data=truth), pred_sem_seg=PixelData(data=predicted))
    visualizer = PanelVisualizer(alpha=0.5)
    visualizer.dataset_meta = dict(classes=('background', 'rock'), palette=PALETTE)
    visualizer.add_datasample('x', np.full((SIDE, SIDE, 3), 100, np.uint8), sample, out_file=tmp_path / 'panel.png')
    assert [colours(cell) for cell in np.split(np.asarray(Image.open(tmp_path / 'panel.png'))[-SIDE:], 3, axis=1)] == CELLS


@pytest.fixture(scope='module')
def trained(tmp_path_factory, repository):
    """Four epochs of the unfreezing experiment, small, with two validation images in one batch."""
    folder = tmp_path_factory.mktemp('pictures')
    options = [
        *loader_options(**{'dataset.load_size': '(64,64)', 'dataset.data_root': make_moon(folder / 'moon')}),
        'train_dataloader.batch_size=4',
        'train_cfg.max_epochs=4',
        'val_dataloader.batch_size=2',
        'model.backbone.init_cfg=None',
        'default_hooks.fixed_samples.interval=3',
        'default_hooks.logger.interval=1',
        # far enough for the predictions to change
        'optim_wrapper.optimizer.lr=0.01',
        'model.decode_head.init_cfg=None',
    ]
    fresh_process()
    cfg = load_config(repository / 'configs' / 'unet_backbone_unfreeze.py', read_options(options), folder / 'run')
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
    rows = [row for row in logged(folder.parent) if 'loss' in row]
    assert len(rows) == 8
    for row in rows:
        # mmengine's own: the rate of the first group, the encoder's, and the one without multiplier
        assert row['lr/backbone_lr'] == row['lr'] == pytest.approx(0.1 * row['lr/decode_head_lr'])
        assert row['lr/decode_head_lr'] == row['base_lr']
    rates = [row['lr/decode_head_lr'] for row in rows]
    assert len(set(rates)) > 4, 'the current value, no constant'
    assert f'lr/backbone_lr: {rates[0] / 10:.4e} lr/decode_head_lr: {rates[0]:.4e} ' in next(folder.glob('*.log')).read_text()
    assert [(row['epoch'], row['frozen_stages']) for row in rows[::2]] == [(1, 4), (2, 2), (3, -1), (4, -1)]

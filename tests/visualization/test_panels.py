"""Panels show what they say: every cell in its place and colour."""

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from custom_modules.evaluation.predictions import Prediction
from custom_modules.visualization.drawing import ERROR_COLOURS, legend_strip
from custom_modules.visualization.panels import PANEL_GAP, PredictionPanel
from custom_modules.visualization.visualizer import PanelVisualizer

PALETTE = [[0, 0, 0], [200, 0, 0]]
SIDE = 384
# in the middle of the upper left, upper right, lower left, lower right quarter
QUARTERS = [(SIDE // 4 * i, SIDE // 4 * j) for i in (1, 3) for j in (1, 3)]
GREY, ROCK = [100] * 3, [150, 50, 50]
# truth is the left half, found the upper one, in the order of the quarters
CELLS = [[GREY] * 4, [ROCK, GREY, ROCK, GREY], [ROCK, ROCK, GREY, GREY]]


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
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    visualizer.add_datasample('x', image, sample, out_file=tmp_path / 'panel.png')
    panel = np.asarray(Image.open(tmp_path / 'panel.png'))[-SIDE:]
    assert [colours(cell) for cell in np.split(panel, 3, axis=1)] == CELLS

"""Panels show what they say: every cell in its place and colour."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from custom_modules.evaluation.predictions import Prediction
from custom_modules.visualization.drawing import ERROR_COLOURS, legend_strip
from custom_modules.visualization.panels import PANEL_GAP, PredictionPanel
from custom_modules.visualization.visualizer import PanelVisualizer

PALETTE = [[0, 0, 0], [200, 0, 0], [0, 0, 200]]
SIDE = 384


def predict(path: Path, truth, predicted, classes: int = 2) -> Prediction:
    """A prediction made by hand, on a picture of grey 100."""
    truth, predicted = np.asarray(truth, np.uint8), np.asarray(predicted, np.uint8)
    Image.fromarray(np.full((*truth.shape, 3), 100, np.uint8)).save(path)
    probabilities = np.eye(classes, dtype=np.float32)[predicted].transpose(2, 0, 1)
    return Prediction(str(path), truth, predicted, probabilities)


def cells(panel: np.ndarray, count: int, below: int) -> list[np.ndarray]:
    """Cut the pictures out of a panel that has ``below`` rows of legend."""
    row = panel[panel.shape[0] - below - SIDE : panel.shape[0] - below]
    return [row[:, i * (SIDE + PANEL_GAP) :][:, :SIDE] for i in range(count)]


def blended(colour, alpha: float, base: float) -> list[int]:
    return [int((1 - alpha) * base + alpha * channel) for channel in colour]


def test_the_four_cells_are_in_place_and_coloured(tmp_path):
    truth, predicted = np.zeros((64, 64), int), np.zeros((64, 64), int)
    truth[:, :32], predicted[:32] = 1, 1
    panel = PredictionPanel(('background', 'rock'), PALETTE[:2])
    drawn = panel.draw(predict(tmp_path / 'a.png', truth, predicted))
    below = legend_strip(panel.legend(), drawn.shape[1]).shape[0]
    source, real, found, errors = cells(drawn, 4, below)
    assert drawn.shape[1] == 4 * SIDE + 3 * PANEL_GAP
    assert (source == 100).all()
    rock, grey = blended(PALETTE[1], 0.5, 100), [100] * 3
    corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
    assert [real[c].tolist() for c in corners] == [rock, grey, rock, grey]
    assert [found[c].tolist() for c in corners] == [rock, rock, grey, grey]
    kinds = ('true positive', 'false positive', 'false negative')
    expected = [blended(ERROR_COLOURS[kind], 0.8, 60) for kind in kinds] + [[60] * 3]
    # float32 rounds down at times
    assert np.abs(np.array([errors[c] for c in corners], int) - expected).max() <= 1
    # each pixel is 6x6: the border between the halves is where it belongs
    assert real[0, SIDE // 2 - 1].tolist() == rock and real[0, SIDE // 2].tolist() == grey


def test_a_test_s_picture_is_input_truth_prediction(tmp_path):
    image = np.full((96, 96, 3), 100, np.uint8)
    truth, predicted = torch.zeros(1, 32, 32), torch.zeros(1, 32, 32)
    truth[:, :16], predicted[:, 16:] = 1, 1
    sample = SegDataSample(gt_sem_seg=PixelData(data=truth), pred_sem_seg=PixelData(data=predicted))
    visualizer = PanelVisualizer(alpha=0.5)
    visualizer.dataset_meta = dict(classes=('background', 'rock'), palette=[[0, 0, 0], [200, 0, 0]])
    visualizer.add_datasample('x', image, sample, out_file=tmp_path / 'panel.png')
    panel = cv2.imread(str(tmp_path / 'panel.png'))[..., ::-1][-96:]
    assert panel.shape == (96, 3 * 96, 3)
    grey, rock = [100, 100, 100], [150, 50, 50]
    # columns: input, truth, prediction; rows: upper and lower half
    for column, (upper, lower) in enumerate([(grey, grey), (rock, grey), (grey, rock)]):
        x = column * 96 + 48
        assert panel[20, x].tolist() == upper
        assert panel[80, x].tolist() == lower

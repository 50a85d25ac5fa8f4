"""The picture shows what it says: input, truth and prediction in their places."""

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from custom_modules.visualization.visualizer import PanelVisualizer


def test_panel_is_input_truth_prediction(tmp_path):
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

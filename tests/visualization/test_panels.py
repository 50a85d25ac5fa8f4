"""Panels show what they say: every cell in its place and colour."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from custom_modules.evaluation.predictions import Prediction
from custom_modules.visualization.drawing import (
    ERROR_COLOURS,
    legend_strip,
    readable_size,
    text_strip,
)
from custom_modules.visualization.panels import PANEL_GAP, PredictionPanel, contact_sheet
from custom_modules.visualization.visualizer import PanelVisualizer

PALETTE = [[0, 0, 0], [200, 0, 0], [0, 0, 200]]
SIDE = 384
# rows of a legend in one line
BELOW = legend_strip(dict(rock=(0, 0, 0)), 1000).shape[0]


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
    assert (
        np.abs([errors[c] - np.array(e) for c, e in zip(corners, expected, strict=True)]).max() <= 1
    )
    # each pixel is 6x6: the border between the halves is where it belongs
    assert real[0, SIDE // 2 - 1].tolist() == rock and real[0, SIDE // 2].tolist() == grey


def test_the_legend_shows_each_colour_and_the_wrong_class_only_among_several(tmp_path):
    two = PredictionPanel(('background', 'rock'), PALETTE[:2])
    three = PredictionPanel(('background', 'small', 'large'), PALETTE)
    assert not any('wrong class' in name for name in two.legend())
    assert any('wrong class' in name for name in three.legend())
    truth, predicted = np.full((64, 64), 1), np.full((64, 64), 2)
    drawn = three.draw(predict(tmp_path / 'a.png', truth, predicted, 3))
    below = legend_strip(three.legend(), drawn.shape[1])
    assert (drawn[-below.shape[0] :] == below).all()
    for colour in three.legend().values():
        assert (below == np.array(colour)).all(axis=-1).sum() > 100
    errors = cells(drawn, 4, below.shape[0])[3]
    wrong = blended(ERROR_COLOURS['wrong class'], 0.8, 60)
    assert np.abs(errors[9, 9] - np.array(wrong)).max() <= 1


def test_what_has_no_truth_is_input_and_prediction(tmp_path):
    one = predict(tmp_path / 'a.png', np.full((64, 64), 255), np.ones((64, 64)))
    panel = PredictionPanel(('background', 'rock'), PALETTE[:2])
    drawn = panel.draw(one)
    assert drawn.shape[1] == 2 * SIDE + PANEL_GAP
    below = legend_strip(panel.legend(labelled=False), drawn.shape[1]).shape[0]
    source, found = cells(drawn, 2, below)
    assert (source == 100).all() and (found == blended(PALETTE[1], 0.5, 100)).all()


def test_the_title_has_the_images_own_scores(tmp_path, monkeypatch):
    written = []

    def listen(text, *arguments, **options):
        written.append(text)
        return text_strip(text, *arguments, **options)

    monkeypatch.setattr('custom_modules.visualization.panels.text_strip', listen)
    truth, found = [[1, 1, 1, 1, 0, 0]], [[1, 1, 1, 0, 0, 1]]
    PredictionPanel(('background', 'rock'), PALETTE[:2]).draw(
        predict(tmp_path / 'crater.png', truth, found), 'best, rank 1 of 9:'
    )
    assert 'best, rank 1 of 9:  crater' in written and 'rock Dice 75.00, IoU 60.00' in written
    PredictionPanel(('background', 'small', 'large'), PALETTE).draw(
        predict(tmp_path / 'b.png', [[1, 1, 0]], [[1, 0, 0]], 3)
    )
    # large is neither there nor predicted: the mean is small's alone
    expected = 'mDice without background 66.67  |  small Dice 66.67, IoU 50.00  |  large Dice undefined, IoU undefined'
    assert expected in written


def test_small_pictures_keep_their_pixels_and_large_ones_are_shrunk():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    large = readable_size(small)
    assert large.shape == (288, 384, 3) and (large[::6, ::6] == small).all()
    assert (large[5::6, 5::6] == small).all()
    assert readable_size(np.zeros((480, 720, 3), np.uint8)).shape == (240, 360, 3)
    assert readable_size(np.zeros((2, 2000, 3), np.uint8)).shape == (1, 360, 3)


def test_text_is_wrapped_within_its_width():
    one, two = text_strip('short', 200), text_strip('short\nlines', 200)
    long = text_strip('a_name_without_any_blank' * 5, 200)
    assert one.shape[1] == long.shape[1] == 200
    assert one.shape[0] < two.shape[0] < long.shape[0]
    # nothing is cut off at the right
    assert (long[:, -4:] == 255).all() and (long < 128).any()


def test_contact_sheet_has_a_column_for_each_head_with_pictures():
    red = np.full((20, 300, 3), (255, 0, 0), np.uint8)
    blue = np.full((20, 300, 3), (0, 0, 255), np.uint8)
    sheet = contact_sheet(dict(best=[red], median=[], worst=[blue, blue]), dict(rock=(1, 2, 3)))
    is_red, is_blue = ((sheet == picture[0, 0]).all(axis=-1) for picture in (red, blue))
    assert is_red.sum() == red[..., 0].size and is_blue.sum() == 2 * red[..., 0].size
    assert np.flatnonzero(is_red.any(axis=0)).max() < np.flatnonzero(is_blue.any(axis=0)).min()


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

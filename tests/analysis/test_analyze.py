"""Every number of an error analysis equals one computed by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.calibration import calibration_curve

from custom_modules.analysis.errors import ErrorAnalysis
from custom_modules.analysis.metrics import BINS, THRESHOLDS, Calibration, ObjectSizes, ThresholdSweep, boundary_f1
from custom_modules.evaluation.predictions import Prediction

ROCKS = ('background', 'rock')


def predict(truth, predicted=None, probability=None, path: Path = Path('a.png'), grey=None):
    """A prediction made by hand, of masks with two classes or of probabilities; with a grey level its image is written."""
    truth = np.asarray(truth, np.uint8)
    if probability is None:
        probabilities = np.eye(2, dtype=np.float32)[predicted].transpose(2, 0, 1)
    else:
        probabilities = np.asarray(probability, np.float32)
        if probabilities.ndim == 2:
            probabilities = np.stack([1 - probabilities, probabilities])
        predicted = probabilities.argmax(axis=0)
    if grey is not None:
        Image.fromarray(np.full((*truth.shape, 3), grey, np.uint8)).save(path)
    return Prediction(str(path), truth, np.asarray(predicted, np.uint8), probabilities)


def test_the_table_of_images_and_the_pooled_scores_equal_a_computation_by_hand(tmp_path):
    analysis = ErrorAnalysis(ROCKS, threshold=0.5)
    # 4 pixels rock, 3 found, 1 invented; 255 counts nowhere
    truth, found = [[1, 1, 1, 1], [0, 0, 0, 255]], [[1, 1, 1, 0], [1, 0, 0, 1]]
    analysis.add(predict(truth, found, path=tmp_path / 'one.png', grey=50))
    analysis.add(predict(np.zeros((2, 4)), np.zeros((2, 4), int), path=tmp_path / 'b.png', grey=9))
    analysis.add(predict([[1, 0]], [[0, 1]], path=tmp_path / 'c.png', grey=200))
    results = analysis.results()
    one, none, wrong = results['images'].to_dict('records')
    assert (one['name'], one['file'], one['brightness']) == ('one', str(tmp_path / 'one.png'), 50)
    found = [one[f'rock_{score}'] for score in ('Dice', 'IoU', 'precision', 'recall')]
    assert found == pytest.approx([75, 60, 75, 75])
    assert one['rock_true_share'] == pytest.approx(400 / 7) == one['rock_predicted_share']
    assert one['background_Dice'] == pytest.approx(100 * 4 / 6)
    assert none['background_Dice'] == 100 and none['rock_true_share'] == 0
    undefined = ('Dice', 'IoU', 'precision', 'recall', 'boundary_F1')
    assert all(np.isnan(none[f'rock_{score}']) for score in undefined)
    assert wrong['rock_Dice'] == 0
    # 3 of 5 found, 2 invented, of all images together
    rock = results['scores'].iloc[1]
    assert rock.Dice == pytest.approx(60) and rock.recall == pytest.approx(60)
    assert results['confusion'].tolist() == [[10, 2], [2, 3]]
    assert results['means']['aAcc'] == pytest.approx(100 * 13 / 17)


def object_sizes(truth, predicted) -> pd.DataFrame:
    sizes = ObjectSizes(ROCKS)
    sizes.add(predict(truth, predicted))
    return sizes.table()


def test_objects_are_counted_by_size_found_and_invented():
    truth, predicted = np.zeros((2, 32, 64), np.uint8)
    truth[0:2, 0:1] = 1  # 2 pixels, missed
    truth[4:8, 0:4] = predicted[4:8, 0:4] = 1  # 16 pixels, found
    truth[10:14, 0:4] = predicted[10:14, 0:2] = 1  # 16 pixels, half found
    truth[16:20, 0:4] = predicted[16:19, 0:2] = 1  # 16 pixels, 6 found: missed
    truth[0, 63], truth[1, 62] = 1, 1  # one object over a corner
    predicted[30, 30:35] = 1  # 5 pixels invented
    truth[31, 0:3], predicted[31, 0:3] = 255, 1  # nobody knows
    # class, size, objects, pixels, recall, found; predicted ones, of 16, 8, 6 and 5 pixels, and of these the invented
    assert object_sizes(truth, predicted).fillna(-1).to_numpy().tolist() == [
        ['rock', '1-3', 2, 4, 0, 0, 0, -1],
        ['rock', '4-15', 0, 0, -1, -1, 3, pytest.approx(100 / 3)],
        ['rock', '16-63', 3, 48, 62.5, pytest.approx(200 / 3), 1, 0],
    ]
    # sizes change at powers of four
    for area, size in ((3, '1-3'), (4, '4-15'), (63, '16-63'), (64, '64-255')):
        mask = (np.arange(1024) < area).reshape(16, 64).astype(int)
        assert object_sizes(mask, mask).iloc[-1].tolist() == ['rock', size, 1, area, 100, 100, 1, 0]


def test_calibration_equals_scikit_learns():
    rng = np.random.default_rng(0)
    probability = rng.random((3, 40, 40)).astype(np.float32)
    # edges and ends too
    probability[0, 0, : BINS + 1] = np.linspace(0, 1, BINS + 1)
    truth = (rng.random(probability.shape) < probability**2).astype(np.uint8)
    found = Calibration()
    for own_truth, own in zip(truth, probability, strict=True):
        found.add(predict(own_truth, probability=own))
    right, mean = calibration_curve(truth.ravel(), probability.ravel(), n_bins=BINS)
    table = found.table()
    assert table.right.to_numpy() == pytest.approx(right)
    assert table.probability.to_numpy() == pytest.approx(mean, abs=1e-6)
    weights = table.pixels / truth.size
    assert found.ece == pytest.approx((weights * abs(right - mean)).sum(), abs=1e-6)
    assert found.means == pytest.approx((probability.mean(), truth.mean()))
    # of several classes it is of the highest probability: 0.6 and right, 0.9 and wrong, 0.7 without a truth
    found = Calibration()
    several = [[[0.6, 0.1, 0.7]], [[0.3, 0.9, 0.2]], [[0.1, 0.0, 0.1]]]
    found.add(predict([[0, 2, 255]], probability=several))
    assert found.ece == pytest.approx((0.4 + 0.9) / 2) and found.table().pixels.sum() == 2


def test_the_sweep_is_exact_at_every_threshold():
    rng = np.random.default_rng(1)
    # many probabilities lie on a threshold
    probability = (rng.integers(0, 101, (64, 64)) / 100).astype(np.float32)
    truth = (rng.random((64, 64)) < probability).astype(np.uint8)
    truth[:2] = 255
    sweep = ThresholdSweep()
    sweep.add(predict(truth, probability=probability))
    for threshold, dice in zip(THRESHOLDS, sweep.table().Dice, strict=True):
        # what mmseg does
        predicted = (torch.from_numpy(probability) > float(threshold)).numpy()
        own = predict(truth, predicted.astype(int)).scores.dice[1]
        assert dice == pytest.approx(own, abs=1e-9)
    # 0.31 to 0.69 are all perfect: the middle one is taken
    sweep = ThresholdSweep()
    sweep.add(predict([[1, 0]], probability=[[0.7, 0.305]]))
    assert THRESHOLDS[sweep.best] == 0.5


def test_boundary_f1():
    square, half, more, ignored = np.zeros((4, 40, 40), bool)
    square[10:20, 10:20] = half[:, :20] = more[:, :25] = ignored[:, 8:30] = True
    far, nothing = np.roll(square, 2, axis=1), square & False
    # one pixel off is near enough
    assert boundary_f1(square, np.roll(square, 1, axis=1)) == boundary_f1(square, square) == 100
    # 2 to the right: of the 36 pixels of the outline are too far off the left side, 10, and of the right side the 6
    # that are not next to the upper or lower row
    assert boundary_f1(square, far) == pytest.approx(100 * 20 / 36)
    assert boundary_f1(square, far, tolerance=2) == 100
    assert boundary_f1(square, nothing) == 0 and np.isnan(boundary_f1(nothing, nothing))
    # the image's edge is no boundary, or three sides of four would agree
    assert boundary_f1(half, more) == 0
    assert np.isnan(boundary_f1(square, far, ignored=ignored))


def test_tool_analyses_the_whole_set(tool, untrained, moon, capsys):
    out = moon / 'out'
    config, checkpoint, options = untrained
    command = ['analyze.py', 'errors', config, checkpoint]
    command += ['--out', out, '--part', 'train', '--cfg-options', *options]
    assert tool(*command) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == str(out / 'analysis.md') and '8 images; rock' in printed
    table = pd.read_csv(out / 'images.csv')
    numbers = json.loads((out / 'analysis.json').read_text(), parse_constant=pytest.fail)
    # the training part, in its own order, unaugmented: the share of rock is the masks'
    masks = [np.asarray(Image.open(file.replace('render', 'ground'))) > 0 for file in table.file]
    assert len(masks) == 8 and table.file.is_monotonic_increasing
    assert table.rock_true_share.to_numpy() == pytest.approx([100 * m.mean() for m in masks])
    assert np.sum(numbers['confusion'][1]) == np.sum(masks)
    # the validation part was predicted too: its 2 images decide on the threshold
    chosen = numbers['thresholds']
    assert not chosen['same_data'] and chosen['default'] == 0.5
    at_default = next(row for row in chosen['part'] if row['threshold'] == 0.5)
    assert at_default['Dice'] == pytest.approx(chosen['default_dice'])
    # the same images at another size are the same data
    other = {out: moon / 'again', 'train': 'test'}
    again = [other.get(word, word) for word in command]
    assert tool(*again, 'test_dataloader.dataset.load_size=(32,32)') == 0
    assert '(chosen on the same data)' in capsys.readouterr().out
    assert '2 images at 32x32' in (moon / 'again' / 'analysis.md').read_text()
    assert tool(*command) == 2
    assert 'exists already and is not overwritten' in capsys.readouterr().err

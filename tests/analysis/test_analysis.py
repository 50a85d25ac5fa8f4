"""Every number of an analysis equals one computed by hand; the best are the best; what is not outlined says nothing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import MOON_OPTIONS, loader_options
from pictures import load, save
from sklearn.calibration import calibration_curve
from torch import nn

from custom_modules.analysis.bit_flips import clamped_activations, flip_bits
from custom_modules.analysis.errors import ErrorAnalysis
from custom_modules.analysis.metrics import BINS, THRESHOLDS, Calibration, ObjectSizes, ThresholdSweep, boundary_f1
from custom_modules.analysis.report import best_median_worst
from custom_modules.analysis.sparse import SparseScores
from custom_modules.datasets.splits import fold_split
from custom_modules.evaluation.predictions import Prediction
from custom_modules.visualization.drawing import legend_strip

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
        save(path, np.full((*truth.shape, 3), grey, np.uint8))
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
    assert [one[f'rock_{score}'] for score in ('Dice', 'IoU', 'precision', 'recall')] == pytest.approx([75, 60, 75, 75])
    assert one['rock_true_share'] == pytest.approx(400 / 7) == one['rock_predicted_share']
    assert one['background_Dice'] == pytest.approx(100 * 4 / 6) and none['background_Dice'] == 100
    assert all(np.isnan(none[f'rock_{score}']) for score in ('Dice', 'IoU', 'precision', 'recall', 'boundary_F1'))
    assert none['rock_true_share'] == wrong['rock_Dice'] == 0
    # 3 of 5 found, 2 invented, of all images together
    rock = results['scores'].iloc[1]
    assert rock.Dice == pytest.approx(60) and rock.recall == pytest.approx(60)
    assert results['confusion'].tolist() == [[10, 2], [2, 3]]
    assert results['means']['aAcc'] == pytest.approx(100 * 13 / 17)


def test_objects_are_counted_by_size_found_and_invented():
    truth, predicted = np.zeros((2, 32, 64), np.uint8)
    truth[0:2, 0:1] = 1  # 2 pixels, missed
    truth[4:8, 0:4] = predicted[4:8, 0:4] = 1  # 16 pixels, found
    truth[10:14, 0:4] = predicted[10:14, 0:2] = 1  # 16 pixels, half found
    truth[16:20, 0:4] = predicted[16:19, 0:2] = 1  # 16 pixels, 6 found: missed
    truth[0, 63], truth[1, 62] = 1, 1  # one object over a corner
    predicted[30, 30:35] = 1  # 5 pixels invented
    truth[31, 0:3], predicted[31, 0:3] = 255, 1  # nobody knows
    sizes = ObjectSizes(ROCKS)
    sizes.add(predict(truth, predicted))
    # class, size, objects, pixels, recall, found; predicted ones, of 16, 8, 6 and 5 pixels, and of these the invented
    assert sizes.table().fillna(-1).to_numpy().tolist() == [
        ['rock', '1-3', 2, 4, 0, 0, 0, -1],
        ['rock', '4-15', 0, 0, -1, -1, 3, pytest.approx(100 / 3)],
        ['rock', '16-63', 3, 48, 62.5, pytest.approx(200 / 3), 1, 0],
    ]
    # sizes change at powers of four
    for area, size in ((3, '1-3'), (4, '4-15'), (63, '16-63'), (64, '64-255')):
        mask, sizes = (np.arange(1024) < area).reshape(16, 64).astype(int), ObjectSizes(ROCKS)
        sizes.add(predict(mask, mask))
        assert sizes.table().iloc[-1].tolist() == ['rock', size, 1, area, 100, 100, 1, 0]


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
    assert found.ece == pytest.approx((table.pixels / truth.size * abs(right - mean)).sum(), abs=1e-6)
    assert found.means == pytest.approx((probability.mean(), truth.mean()))
    # of several classes it is of the highest probability: 0.6 and right, 0.9 and wrong, 0.7 without a truth
    found = Calibration()
    found.add(predict([[0, 2, 255]], probability=[[[0.6, 0.1, 0.7]], [[0.3, 0.9, 0.2]], [[0.1, 0.0, 0.1]]]))
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
        assert dice == pytest.approx(predict(truth, predicted.astype(int)).scores.dice[1], abs=1e-9)
    sweep = ThresholdSweep()
    # 0.31 to 0.69 are all perfect: the middle one is taken
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


def test_tool_analyses_the_whole_set(tool, refused, untrained, moon, capsys):
    out = moon / 'out'
    config, checkpoint, options = untrained
    command = ['analyze.py', 'errors', config, checkpoint, '--out', out, '--part', 'train', '--cfg-options', *options]
    assert tool(*command) == 0
    table = pd.read_csv(out / 'images.csv')
    numbers = json.loads((out / 'analysis.json').read_text(), parse_constant=pytest.fail)
    # the training part, in its own order, unaugmented: the share of rock is the masks'
    masks = [load(file.replace('render', 'ground')) > 0 for file in table.file]
    assert len(masks) == 8 and table.file.is_monotonic_increasing
    assert table.rock_true_share.to_numpy() == pytest.approx([100 * m.mean() for m in masks])
    assert np.sum(numbers['confusion'][1]) == np.sum(masks)
    # the validation part was predicted too: its 2 images decide on the threshold
    chosen = numbers['thresholds']
    assert not chosen['same_data'] and chosen['default'] == 0.5
    assert next(row for row in chosen['part'] if row['threshold'] == 0.5)['Dice'] == pytest.approx(chosen['default_dice'])
    # the same images at another size are the same data
    other = {out: moon / 'again', 'train': 'test'}
    assert tool(*[other.get(word, word) for word in command], 'test_dataloader.dataset.load_size=(32,32)') == 0
    assert '(chosen on the same data)' in capsys.readouterr().out
    refused('exists already and is not overwritten', *command)


def test_ranking_picks_best_median_and_worst_each_once():
    scores = np.arange(31.0)
    assert best_median_worst(scores, 2) == dict(best=[(1, 30), (2, 29)], median=[(15, 16), (16, 15)], worst=[(30, 1), (31, 0)])
    for count in range(1, 20):
        pairs = sum(best_median_worst(scores[:count], 5).values(), [])
        chosen = [i for _, i in pairs]
        assert len(chosen) == len(set(chosen)) == min(count, 15) and chosen == sorted(chosen, reverse=True)
        assert pairs[0] == (1, count - 1) and pairs[-1] == (count, 0)
    assert best_median_worst([1.0, float('nan'), 3.0], 1)['best'] == [(1, 2)]


def test_tool_ranks_draws_and_does_not_overwrite(tool, refused, untrained, moon, tmp_path, capsys):
    config, weights, options = untrained
    out = tmp_path / 'panels'
    command = ['visualize.py', config, weights, '--part', 'train', '--out', out, '--count', '2']
    command += ['--cfg-options', *options, 'model.decode_head.threshold=0.5']
    assert tool(*command) == 0
    printed = capsys.readouterr().out.splitlines()
    names = sorted(path.name for path in out.iterdir())
    assert [name.split('_')[0] for name in names] == ['best', 'best', 'contact', 'median', 'median', 'worst', 'worst']
    scores = [float(name.split('_dice')[1].split('_')[0]) for name in names if '_dice' in name]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1]
    assert f'best {scores[0]:.2f}' in printed[-3] and f'worst {scores[-1]:.2f}' in printed[-3]
    # and each picture is of the image in its name
    below = legend_strip(dict(rock=(0, 0, 0)), 1000).shape[0]
    for path in out.glob('*_rank*.png'):
        # 64x64, each pixel six times, above a legend of one line
        found = load(path)[-384 - below : -below : 6, :384:6]
        assert (found == load(moon / 'images' / 'render' / f'{path.stem.split("_")[-1]}.png')).all()
    refused('exists already and is not overwritten', *command)
    # chosen by name, the worst
    chosen = [*command[:3], '--part', 'train', '--out', tmp_path / 'chosen', *command[9:]]
    assert tool(*chosen, '--images', names[-1][:-4].split('_')[-1]) == 0
    assert capsys.readouterr().out.splitlines()[-2].endswith(f'rock Dice {scores[-1]:.2f}')


def test_outlined_rocks_count_at_the_threshold_that_calls_a_share_of_the_pixels_rock():
    truth = np.zeros((20, 20), np.uint8)
    truth[0:2, 0:5], truth[10:12, 0:5], truth[4:6, 4:9] = 1, 1, 2
    probability = np.full((20, 20), 0.1)
    # of the first rock 6 pixels of 10, of the second 4; the lander entirely, less surely
    probability[0:2, 0:3] = probability[10:12, 0:2] = 0.9
    probability[4:6, 4:9] = 0.7
    scores = SparseScores(('unknown', 'rock', 'lander'), ['rock'], share=0.05)
    scores.add(truth, probability)
    assert scores.table(0.5).called_rock.tolist() == pytest.approx([5.0, 50.0, 100.0])
    # 20 of 400 pixels: the lander is among them; one more step down all would be
    assert scores.recall() == dict(threshold=0.1001, pixels=50.0, rocks=50.0)
    scores.share = 0.03
    assert scores.recall()['threshold'] > 0.7 and scores.recall()['rocks'] == 50.0


def test_the_tool_counts_the_chosen_pictures(tool, refused, tmp_path, repository, monkeypatch):
    folder = tmp_path / 'sparse'
    for name in ('a1', 'a2', 'b1'):
        save(folder / 'images' / f'{name}.png', np.full((64, 64, 3), 90, np.uint8))
        save(folder / 'masks' / f'{name}.png', np.eye(64, dtype=np.uint8) * (name == 'a1'))
    (folder / 'classes.txt').write_text('background\nrock\nlander\n')
    monkeypatch.chdir(tmp_path)
    weights = repository / 'checkpoints/rock_detector_synthetic.pth'
    given = ['analyze.py', 'sparse', repository / 'configs/rock_detector_synthetic.py', folder]
    more = ['--cfg-options', *loader_options()]
    refused('classes of the masks, rock, lander; got rok', *given, weights, '--rocks', 'rok', *more)
    out = ['--rocks', 'rock', '--prefix', 'a', '--out']
    assert tool(*given, weights, *out, 'found.json', *more) == 0
    found = json.loads((tmp_path / 'found.json').read_text())
    assert found['pictures'] == 2 and found['classes'][0]['pixels'] == 2 * 128 * 128
    # nearest of one diagonal, twice as large
    assert found['classes'][1]['pixels'] == 2 * 128 and found['classes'][2]['pixels'] == 0
    # one that calls all of fold 1 rock, and nothing else
    state = torch.load(weights, weights_only=True)
    for sign, name in ((-1, 'none.pth'), (1, 'all.pth')):
        state['state_dict']['decode_head.conv_seg.bias'].fill_(sign * 1e4)
        torch.save(state, tmp_path / name)
    assert tool(*given, 'none.pth', 'all.pth', *out, 'folds.json', *more) == 0
    folds = json.loads((tmp_path / 'folds.json').read_text())
    # the only rock is in a1
    rocks = 100 * (fold_split(['1', '2'], 'test', 1, 2, 0.2) == ['1'])
    assert [row['called_rock'] for row in folds['classes'][:2]] == [50, rocks]


def test_as_many_bits_differ_as_are_flipped_and_a_seed_repeats_them():
    sound = torch.randn(64, 8, 3, 3).to(memory_format=torch.channels_last)
    one, same, counter = sound.clone(), sound.clone(), torch.tensor([7])
    count = flip_bits([one, counter], 1e-2, np.random.default_rng(3))
    assert flip_bits([same], 1e-2, np.random.default_rng(3)) == count and counter.item() == 7
    assert abs(count - 1e-2 * 32 * sound.numel()) < 5 * np.sqrt(count)
    one, same, sound = (each.contiguous().numpy().view(np.uint32) for each in (one, same, sound))
    assert np.array_equal(one, same) and np.bitwise_count(one ^ sound).sum() == count


def test_clamping_holds_one_wrong_exponent_and_only_while_it_lasts():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    x = torch.rand(8, 4)
    limit = float(model[1](model[0](x)).max())
    sound = model(x)
    with clamped_activations(model, {'1': limit}):
        assert torch.equal(model(x), sound)
        for wrong in (1e38, float('nan')):
            with torch.no_grad():
                model[0].weight[0, 0] = wrong
            assert model(x).isfinite().all() and model[:2](x).max() <= limit
    assert model(x).isnan().any()


def test_the_table_begins_with_the_sound_model(moon, repository, tool, capsys):
    files = 'configs/rock_detector_synthetic.py', 'checkpoints/rock_detector_synthetic.pth'
    options = ['--rates', '1e-9', '1e-4', '--seeds', '0', '--cfg-options', *MOON_OPTIONS]
    assert tool('analyze.py', 'bit-flips', *(repository / name for name in files), *options) == 0
    rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines() if '|' in line]
    sound, none, many = ([float(cell) for cell in row[1:]] for row in rows[2:])
    # at this rate no bit flips: nothing of the clean run stayed behind
    assert none[0] == 0 and none[1:] == sound[1:] and sound[1] > 0
    assert many[0] > 1000 and many[1] < sound[1]

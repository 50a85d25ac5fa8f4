"""Sparse labels: what is outlined counts, what is not says nothing."""

import json

import numpy as np
import pytest
import torch
from conftest import loader_options
from PIL import Image

from custom_modules.analysis.sparse import SparseScores
from custom_modules.datasets.splits import fold_split

CLASSES = ('unknown', 'rock', 'lander')


def test_outlined_rocks_count_at_the_threshold_that_calls_a_share_of_the_pixels_rock():
    truth = np.zeros((20, 20), np.uint8)
    truth[0:2, 0:5], truth[10:12, 0:5], truth[4:6, 4:9] = 1, 1, 2
    probability = np.full((20, 20), 0.1)
    # of the first rock 6 pixels of 10, of the second 4; the lander entirely, less surely
    probability[0:2, 0:3] = probability[10:12, 0:2] = 0.9
    probability[4:6, 4:9] = 0.7
    scores = SparseScores(CLASSES, ['rock'], share=0.05)
    scores.add(truth, probability)
    assert scores.table(0.5).called_rock.tolist() == pytest.approx([5.0, 50.0, 100.0])
    # 20 of 400 pixels: the lander is among them; one more step down all would be
    assert scores.recall() == dict(threshold=0.1001, pixels=50.0, rocks=50.0)
    scores.share = 0.03
    few = scores.recall()
    assert few['threshold'] > 0.7 and few['rocks'] == 50.0


def test_the_tool_counts_the_chosen_pictures(tool, tmp_path, capsys, repository, monkeypatch):
    folder = tmp_path / 'sparse'
    for name in ('a1', 'a2', 'b1'):
        rock = np.eye(64) * (name == 'a1')
        for part, array in (('images', np.full((64, 64, 3), 90)), ('masks', rock)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.astype(np.uint8)).save(folder / part / f'{name}.png')
    (folder / 'classes.txt').write_text('background\nrock\nlander\n')
    monkeypatch.chdir(tmp_path)
    config = repository / 'configs/rock_detector_synthetic.py'
    weights = repository / 'checkpoints/rock_detector_synthetic.pth'
    given = ['analyze.py', 'sparse', config, folder]
    more = ['--cfg-options', *loader_options()]
    assert tool(*given, weights, '--rocks', 'rok', *more) == 2
    assert 'classes of the masks, rock, lander; got rok' in capsys.readouterr().err
    out = ['--rocks', 'rock', '--prefix', 'a', '--out']
    assert tool(*given, weights, *out, 'found.json', *more) == 0
    assert '2 pictures' in capsys.readouterr().out
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
    assert folds['pictures'] == 2
    # the only rock is in a1
    first = fold_split(['1', '2'], 'test', 1, 2, 0.2) == ['1']
    assert [row['called_rock'] for row in folds['classes'][:2]] == [50, 100 * first]

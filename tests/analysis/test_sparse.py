"""Sparse labels: what is outlined counts, what is not says nothing."""

import json

import numpy as np
import pytest
from conftest import loader_options
from PIL import Image

from custom_modules.analysis.sparse import SparseScores

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
    few = SparseScores(CLASSES, ['rock'], share=0.03)
    few.add(truth, probability)
    assert few.recall()['threshold'] > 0.7 and few.recall()['rocks'] == 50.0


def test_the_tool_counts_the_chosen_pictures(tool, tmp_path, capsys, repository, monkeypatch):
    folder = tmp_path / 'sparse'
    for name in ('a1', 'a2', 'b1'):
        for part, array in (('images', np.full((64, 64, 3), 90)), ('masks', np.eye(64))):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.astype(np.uint8)).save(folder / part / f'{name}.png')
    (folder / 'classes.txt').write_text('background\nrock\nlander\n')
    monkeypatch.chdir(tmp_path)
    given = [
        repository / 'configs/rock_detector_synthetic.py',
        repository / 'checkpoints/rock_detector_synthetic.pth',
        folder,
    ]
    more = ['--cfg-options', *loader_options()]
    assert tool('analyze.py', 'sparse', *given, '--rocks', 'rok', *more) == 2
    assert 'classes of the masks, rock, lander; got rok' in capsys.readouterr().err
    out = ['--out', 'found.json']
    assert tool('analyze.py', 'sparse', *given, '--rocks', 'rock', '--only', 'a*', *out, *more) == 0
    assert '2 pictures' in capsys.readouterr().out
    found = json.loads((tmp_path / 'found.json').read_text())
    assert found['pictures'] == 2 and found['classes'][0]['pixels'] == 2 * 128 * 128
    # nearest of a diagonal, twice as large
    assert found['classes'][1]['pixels'] == 2 * 2 * 128 and found['classes'][2]['pixels'] == 0

"""The best are the best, what a user names is found, and the tool draws what it says."""

import cv2
import numpy as np
import pytest

from custom_modules.analysis.selection import best_median_worst
from custom_modules.evaluation.confusion import ConfusionScores
from custom_modules.visualization.drawing import legend_strip


def test_ranking_picks_best_median_and_worst_each_once():
    scores = [float(score) for score in range(31)]
    assert best_median_worst(scores, 2) == dict(
        best=[(1, 30), (2, 29)], median=[(15, 16), (16, 15)], worst=[(30, 1), (31, 0)]
    )
    for count in range(1, 20):
        kinds = best_median_worst(scores[:count], 5)
        chosen = [i for pairs in kinds.values() for _, i in pairs]
        assert len(chosen) == len(set(chosen)) == min(count, 15)
        assert chosen == sorted(chosen, reverse=True)
        assert kinds['best'][0] == (1, count - 1)
        if count > 1:
            assert kinds['worst'][-1] == (count, 0)
    assert best_median_worst([1.0, float('nan'), 3.0], 1)['best'] == [(1, 2)]
    assert best_median_worst([float('nan')], 3) == dict(best=[], median=[], worst=[])


def test_an_image_without_objects_has_no_dice():
    def dice(truth, predicted):
        masks = np.array(truth, np.uint8), np.array(predicted, np.uint8)
        return ConfusionScores.from_masks(*masks, 3).foreground_dice

    assert np.isnan(dice([0, 0], [0, 0])) and dice([1, 1], [0, 0]) == 0
    # of three classes the two that are there or predicted, 2/3 and 0; never the background
    assert dice([0, 1, 1, 0], [0, 1, 0, 2]) == pytest.approx(100 / 3)


def test_tool_ranks_draws_and_does_not_overwrite(tool, untrained, moon, tmp_path, capsys):
    config, weights, options = untrained
    out = tmp_path / 'panels'
    command = ['visualize.py', config, weights, '--part', 'train', '--out', out, '--count', '2']
    command += ['--cfg-options', *options, 'model.decode_head.threshold=0.5']
    assert tool(*command) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(out) and printed[-3].startswith('8 images ranked by rock Dice')
    names = sorted(path.name for path in out.iterdir())
    kinds = [name.split('_')[0] for name in names]
    assert kinds == ['best', 'best', 'contact', 'median', 'median', 'worst', 'worst']
    scores = [float(name.split('_dice')[1].split('_')[0]) for name in names if '_dice' in name]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1]
    # rank 1 of the name is the best of all, which the sentence says too
    assert f'best {scores[0]:.2f}' in printed[-3] and f'worst {scores[-1]:.2f}' in printed[-3]
    # and each picture is of the image in its name
    below = legend_strip(dict(rock=(0, 0, 0)), 1000).shape[0]
    for path in out.glob('*_rank*.png'):
        # 64x64, each pixel six times, above a legend of one line
        found = cv2.imread(str(path))[-384 - below : -below : 6, :384:6]
        own = cv2.imread(str(moon / 'images' / 'render' / f'{path.stem.split("_")[-1]}.png'))
        assert (found == own).all()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert tool(*command) == 2
    assert 'exists already and is not overwritten' in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in out.iterdir()}
    chosen = [*command[:5], '--out', tmp_path / 'chosen', *command[command.index('--cfg-options') :], '--images']
    assert tool(*chosen, 'nowhere.png') == 2
    assert 'in any photograph tools/predict.py finds rocks' in capsys.readouterr().err
    named = [moon / 'images' / 'render' / f'{names[-1][:-4].split("_")[-1]}.png', names[0][:-4].split('_')[-1]]
    assert tool(*chosen, *named) == 0
    assert capsys.readouterr().out.splitlines()[-3].endswith(f'rock Dice {scores[-1]:.2f}')
    assert [path.name[:2] for path in sorted((tmp_path / 'chosen').iterdir())] == ['01', '02']

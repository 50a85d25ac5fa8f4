"""Panels show what they say, and the best are the best."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import loader_options
from PIL import Image

from custom_modules.analysis.objects import foreground_dice
from custom_modules.analysis.selection import best_median_worst, find_images
from custom_modules.evaluation.predictions import Prediction
from custom_modules.utils.errors import UsageError
from custom_modules.visualization.drawing import (
    ERROR_COLOURS,
    legend_strip,
    readable_size,
    text_strip,
)
from custom_modules.visualization.panels import PANEL_GAP, PredictionPanel, contact_sheet

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


def test_ranking_picks_best_median_and_worst_each_once():
    scores = [float(score) for score in range(31)]
    kinds = best_median_worst(scores, 5)
    assert [i for _, i in kinds['best']] == [30, 29, 28, 27, 26]
    assert [i for _, i in kinds['median']] == [17, 16, 15, 14, 13]
    assert [i for _, i in kinds['worst']] == [4, 3, 2, 1, 0]
    assert [rank for rank, _ in kinds['worst']] == [27, 28, 29, 30, 31]
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


def test_an_image_without_objects_has_no_dice(tmp_path):
    none = predict(tmp_path / 'a.png', np.zeros((4, 4)), np.zeros((4, 4)))
    assert np.isnan(foreground_dice(none.scores))
    missed = predict(tmp_path / 'a.png', np.ones((4, 4)), np.zeros((4, 4)))
    assert foreground_dice(missed.scores) == 0
    # of three classes the two that are there or predicted, 2/3 and 0; never the background
    some = predict(tmp_path / 'a.png', [[0, 1, 1, 0]], [[0, 1, 0, 2]], 3)
    assert foreground_dice(some.scores) == pytest.approx(100 / 3)


def test_contact_sheet_has_a_column_for_each_head_with_pictures():
    red = np.full((20, 300, 3), (255, 0, 0), np.uint8)
    blue = np.full((20, 300, 3), (0, 0, 255), np.uint8)
    sheet = contact_sheet(dict(best=[red], median=[], worst=[blue, blue]), dict(rock=(1, 2, 3)))
    is_red, is_blue = ((sheet == picture[0, 0]).all(axis=-1) for picture in (red, blue))
    assert is_red.sum() == red[..., 0].size and is_blue.sum() == 2 * red[..., 0].size
    assert np.flatnonzero(is_red.any(axis=0)).max() < np.flatnonzero(is_blue.any(axis=0)).min()


def test_images_are_found_by_name_or_path(tmp_path, monkeypatch):
    for name in ('in_1.png', 'in_2.png', 'out.png', 'text.png'):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / 'text.png').write_text('no picture')
    own = [str(tmp_path / name) for name in ('in_1.png', 'in_2.png')]
    monkeypatch.chdir(tmp_path)
    given = ['in_2', './in_1.png', 'in_1.png', 'out.png']
    assert find_images(given, own, 'test') == [1, 0, Path('out.png')]
    with pytest.raises(
        UsageError, match=r'no image in_3, neither among the 2 of the test part \(in_1, in_2\)'
    ):
        find_images(['in_3'], own, 'test')
    with pytest.raises(UsageError, match='text.png cannot be read as an image'):
        find_images(['text.png'], own, 'test')


@pytest.fixture
def command(moon, tmp_path, repository, monkeypatch) -> list:
    """The tool's arguments for an untrained network."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    import custom_modules.segmentation  # noqa: F401

    monkeypatch.setenv('MOON_DATA', str(moon))
    init_default_scope('mmseg')
    config = repository / 'configs' / 'unet_baseline.py'
    model = dict(Config.fromfile(config).model, backbone=dict(type='UNetEncoder', widths=(4, 8)))
    torch.manual_seed(0)
    weights = tmp_path / 'tiny.pth'
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), weights)
    options = loader_options(**{'dataset.load_size': '(64,64)'})
    options += ['model.backbone.widths=(4,8)', 'model.decode_head.threshold=0.5']
    return ['visualize.py', config, weights, '--part', 'train', '--cfg-options', *options]


def test_tool_ranks_draws_and_does_not_overwrite(tool, command, moon, tmp_path, capsys):
    out = tmp_path / 'panels'
    command += ['--out', out, '--count', '2']
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
    for path in out.glob('*_rank*.png'):
        found = cells(cv2.imread(str(path)), 1, BELOW)[0][::6, ::6]
        own = cv2.imread(str(moon / 'images' / 'render' / f'{path.stem.split("_")[-1]}.png'))
        assert (found == own).all()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert tool(*command) == 2
    assert 'exists already and is not overwritten' in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in out.iterdir()}


def test_tool_draws_chosen_images_and_files_from_elsewhere(tool, command, moon, tmp_path, capsys):
    inside = sorted((moon / 'images' / 'render').iterdir())
    ids = [path.stem for path in inside]
    photo = tmp_path / 'photo.jpg'
    Image.fromarray(np.full((90, 120), 150, np.uint8)).save(photo)
    assert tool(*command, '--out', tmp_path / 'no', '--images', 'render9999') == 2
    error = capsys.readouterr().err
    assert 'there is no image render9999' in error and not (tmp_path / 'no').exists()
    listed = next(name for name in ids if name in error)
    out = tmp_path / 'chosen'
    assert tool(*command, '--out', out, '--images', photo, listed) == 0
    printed = capsys.readouterr().out
    assert 'photo: without truth' in printed and f'{listed}: rock Dice' in printed
    first, second = (cv2.imread(str(out / name)) for name in ('01_photo.png', f'02_{listed}.png'))
    assert first.shape[1] == 2 * SIDE + PANEL_GAP and second.shape[1] == 4 * SIDE + 3 * PANEL_GAP
    # the photo is grey 150, the right one was drawn; the other's input is the file itself
    assert np.isin(first[200:300, 100:200], range(148, 153)).all()
    own = cv2.imread(str(next(path for path in inside if path.stem == listed)))
    assert (cells(second, 1, BELOW)[0][::6, ::6] == own).all()


def test_a_photograph_needs_no_data_set(tool, command, tmp_path, capsys, monkeypatch):
    photo = tmp_path / 'photo.jpg'
    Image.fromarray(np.full((90, 120), 150, np.uint8)).save(photo)
    monkeypatch.setenv('MOON_DATA', str(tmp_path / 'nowhere'))
    out = tmp_path / 'out'
    assert tool(*command, '--out', out, '--images', photo) == 0
    assert 'photo: without truth' in capsys.readouterr().out
    assert cv2.imread(str(out / '01_photo.png')).shape[1] == 2 * SIDE + PANEL_GAP
    # a name can only be one of the data set's
    assert tool(*command, '--out', tmp_path / 'no', '--images', 'photo') == 2
    assert 'nowhere, but there is no such folder' in capsys.readouterr().err

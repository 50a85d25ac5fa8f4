"""Differences are paired over images, and the folds of one config and seed are one row: every image once, by a model that has not seen it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import make_moon, run_tool
from report_runs import make_run
from scipy.stats import wilcoxon

from custom_modules.reporting.comparison import _require_held_out
from custom_modules.reporting.paired import PairedDifference, pooled_counts, score_interval
from custom_modules.utils.errors import UsageError


def counts(*images):
    """Of images with these true positives, false positives and false negatives of rock."""
    confusion = np.array([[[100 - tp - fp - fn, fp], [fn, tp]] for tp, fp, fn in images])
    return pooled_counts(confusion, ('background', 'rock'), 'rock_Dice')


def test_a_false_alarm_on_an_image_without_rock_is_an_error():
    rocks = [(10, 2, 2)] * 5
    clean = [*rocks, *[(0, 0, 0)] * 6]
    invents = [*rocks, *((0, n, 0) for n in range(1, 7))]
    found = PairedDifference.between([counts(*invents)], [counts(*clean)])
    assert found.images == 11 and found.difference < 0 and found.high <= 0
    # six images at 0 where the other has 100
    assert counts(*invents).own.tolist()[5:] == [0] * 6 and counts(*clean).own.tolist()[5:] == [100] * 6
    assert found.p == pytest.approx(wilcoxon([0] * 5 + [-100] * 6).pvalue) and found.p < 0.05


def test_one_image_has_a_difference_and_nothing_that_says_how_sure_it_is():
    found = PairedDifference.between([counts((8, 1, 1))], [counts((4, 1, 5))])
    assert found.difference == pytest.approx(100 * (16 / 18 - 8 / 14))
    assert (found.low, found.high, found.p, found.decisive, found.without) == (None,) * 5
    assert score_interval([counts((8, 1, 1))]) is None


def test_the_interval_is_paired_and_has_the_mean_over_seeds():
    rng = np.random.default_rng(1)
    images = [tuple(rng.integers(1, 20, 3)) for _ in range(12)]
    better = [(tp + 3, fp, fn) for tp, fp, fn in images]
    found = PairedDifference.between([counts(*better), counts(*images)], [counts(*images)] * 2)
    # the same images for both: much narrower than the score's own interval
    low, high = score_interval([counts(*images)])
    assert 0 < found.low < found.difference < found.high < (high - low)
    whole, nothing = (PairedDifference.between([counts(*side)], [counts(*images)]) for side in (better, images))
    assert found.difference == pytest.approx(whole.difference / 2)
    assert (nothing.difference, nothing.low, nothing.high, nothing.p) == (0, 0, 0, None)


def test_the_image_with_most_pixels_decides():
    images = [(1, 1, 1)] * 6
    found = PairedDifference.between([counts(*images, (60, 0, 0))], [counts(*images, (30, 0, 30))])
    assert found.decisive == 6 and found.without == 0 and found.difference > 10


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two configs, one with two seeds; folds that are missing, and one that was trained on its test."""
    root = tmp_path_factory.mktemp('folds')

    def make(name, fold, seed=0, folds=2, widths=(4, 4, 8), train='train'):
        options = {'model.backbone.widths': widths}
        for part, split in (('train', train), ('val', 'val'), ('test', 'test')):
            own = dict(load_size=(64, 64), fold=fold, folds=folds, split=split)
            options |= {f'{part}_dataloader.dataset.{key}': value for key, value in own.items()}
        run = make_run(root, 'unet_baseline', seed, name=f'{name}/seed_{seed}_fold{fold}', **options)
        # no model is a copy of another fold's
        path = next(run.glob('best*.pth'))
        weights = torch.load(path)
        weights['state_dict']['decode_head.conv_seg.bias'] += 0.01 * fold
        torch.save(weights, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MOON_DATA', str(make_moon(root / 'moon', count=12)))
        for fold in (0, 1):
            make('plain', fold)
            make('plain', fold, seed=1)
            make('other', fold, widths=(4, 4, 4))
        make('lacking', 0, folds=3, widths=(4, 8, 8))
        make('seen', 0, train='all')
    return root


@pytest.fixture(scope='module')
def results(folder, tmp_path_factory):
    runs = [p for name in ('plain', 'other', 'lacking', 'seen') for p in (folder / name).iterdir()]
    out = tmp_path_factory.mktemp('out') / 'r'
    assert run_tool('report.py', *sorted(runs, reverse=True), '-o', out, '--images', '3') == 0
    return json.loads((out / 'results.json').read_text())


def test_every_image_is_scored_once(results):
    assert results['test_data']['images'] == [f'render{i:04d}' for i in range(12)]
    for run in (run for arm in results['arms'] for run in arm['runs']):
        assert list(run['images']) == results['test_data']['images']
        assert [fold['fold'] for fold in run['folds']] == [0, 1]
    assert {arm['label']: [run['seed'] for run in arm['runs']] for arm in results['arms']} == dict(plain=[0, 1], other=[0])


def test_scores_are_those_of_the_images_together(results):
    def dice(confusion):
        (_, fp), (fn, tp) = confusion
        return 200 * tp / (2 * tp + fp + fn) if tp + fp + fn else 100

    for run in (run for arm in results['arms'] for run in arm['runs']):
        counted = [(image['confusion'], image['objects']) for image in run['images'].values()]
        pixels, objects = map(np.array, zip(*counted, strict=True))
        true, found, predicted, invented = objects.sum(axis=0)[0]
        recall, right = found / true, (predicted - invented) / predicted
        expected = dict(
            rock_Dice=dice(pixels.sum(axis=0)),
            rock_image_Dice=np.mean([dice(own) for own in pixels]),
            rock_object_F1=200 * recall * right / (recall + right) if recall + right else 0,
        )
        assert {name: run['scores'][name] for name in expected} == pytest.approx(expected)


def test_what_is_missing_or_not_held_out_is_said(results):
    reasons = {'/'.join(p.split('/')[-2:]): why for p, why in results['left_out'].items()}
    assert set(reasons) == {'lacking/seed_0_fold0', 'seen/seed_0_fold0'}
    assert '4 images of 64x64 (background, rock), without folds 1, 2' in reasons['lacking/seed_0_fold0']
    assert '6 of its 6 test images were trained on' in reasons['seen/seed_0_fold0']


def test_folds_that_share_an_image_are_refused():
    def result(fold, *names):
        run = SimpleNamespace(seed=0, title=f'fold{fold}')
        return SimpleNamespace(fold=(fold, 2), run=run, names=names, keys=names, learnt_on_test=0)

    _require_held_out(result(0, 'a', 'b'), [result(1, 'c')])
    with pytest.raises(UsageError, match=r'1 of its 2 test images are in fold 1 too \(fold1\)'):
        _require_held_out(result(0, 'a', 'b'), [result(1, 'b', 'c')])

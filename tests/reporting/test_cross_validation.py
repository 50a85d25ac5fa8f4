"""The folds of one config and seed are one row: every image once, by a model that has not seen it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import make_moon, run_tool
from report_runs import make_run

import custom_modules.segmentation  # noqa: F401
from custom_modules.reporting.comparison import _require_held_out
from custom_modules.utils.errors import UsageError

PARTS = ('train', 'val', 'test')


def fold_options(fold: int, folds: int = 2, **options) -> dict:
    held_out = {f'{part}_dataloader.dataset.fold': fold for part in PARTS}
    held_out |= {f'{part}_dataloader.dataset.folds': folds for part in PARTS}
    return held_out | {'test_dataloader.dataset.split': 'test'} | options


def shift(run, bias: float) -> None:
    path = next(run.glob('best*.pth'))
    weights = torch.load(path)
    weights['state_dict']['decode_head.conv_seg.bias'] += bias
    torch.save(weights, path)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two configs, one with two seeds; folds that are missing, and one that was trained on its test."""
    root = tmp_path_factory.mktemp('folds')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MOON_DATA', str(make_moon(root / 'moon', count=12)))
        small = {f'{p}_dataloader.dataset.load_size': (64, 64) for p in PARTS}
        small |= {'model.backbone.widths': [4, 4, 8]}

        def make(name, fold, seed=0, config='unet_baseline', folds=2, **options):
            options = small | fold_options(fold, folds) | options
            run = make_run(root, config, seed, name=f'{name}/seed_{seed}_fold{fold}', **options)
            # no model is a copy of another fold's
            shift(run, 0.01 * fold)

        for fold in (0, 1):
            make('plain', fold)
            make('plain', fold, seed=1)
            make('other', fold, **{'model.backbone.widths': [4, 4, 4]})
        make('lacking', 0, folds=3, **{'model.backbone.widths': [4, 8, 8]})
        make('seen', 0, **{'train_dataloader.dataset.split': 'all'})
    return root


@pytest.fixture(scope='module')
def results(folder, tmp_path_factory):
    runs = [p for name in ('plain', 'other', 'lacking', 'seen') for p in (folder / name).iterdir()]
    out = tmp_path_factory.mktemp('out') / 'r'
    assert run_tool('report.py', *sorted(runs, reverse=True), '-o', out, '--images', '3') == 0
    return json.loads((out / 'results.json').read_text())


def arms(results) -> dict:
    return {arm['label']: arm for arm in results['arms']}


def test_every_image_is_scored_once(results):
    assert results['test_data']['images'] == [f'render{i:04d}' for i in range(12)]
    for arm in results['arms']:
        for run in arm['runs']:
            assert list(run['images']) == results['test_data']['images']
            assert [fold['fold'] for fold in run['folds']] == [0, 1]
    seeds = {name: [run['seed'] for run in arm['runs']] for name, arm in arms(results).items()}
    assert seeds == dict(plain=[0, 1], other=[0])
    assert arms(results)['plain']['runs'][0]['work_dir'] == 'plain/seed_0 (2 of 2 folds)'
    assert 'dataset.fold ' not in str(arms(results)['plain']['changes'])


def test_scores_are_those_of_the_images_together(results):
    def dice(confusion):
        (_, fp), (fn, tp) = confusion
        return 200 * tp / (2 * tp + fp + fn) if tp + fp + fn else 100

    for run in (run for arm in results['arms'] for run in arm['runs']):
        pixels, objects = (
            np.array([image[key] for image in run['images'].values()]) for key in ('confusion', 'objects')
        )
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
    lacking = '4 images of 64x64 (background, rock), without folds 1, 2'
    assert lacking in reasons['lacking/seed_0_fold0']
    assert '6 of its 6 test images were trained on' in reasons['seen/seed_0_fold0']


def test_folds_that_share_an_image_are_refused():
    def result(fold, *names):
        run = SimpleNamespace(seed=0, title=f'fold{fold}')
        keys = [f'digest of {name}' for name in names]
        return SimpleNamespace(fold=(fold, 2), run=run, names=names, keys=keys, learnt_on_test=0)

    _require_held_out(result(0, 'a', 'b'), [result(1, 'c')])
    with pytest.raises(UsageError, match=r'1 of its 2 test images are in fold 1 too \(fold1\)'):
        _require_held_out(result(0, 'a', 'b'), [result(1, 'b', 'c')])

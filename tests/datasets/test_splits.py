"""Fractions, lists and folds: each image is in one part, by the hash of its name; a share of the training part is nested."""

from pathlib import Path

import pytest
import torch
from conftest import MOON_OPTIONS, make_moon
from mmengine.config import Config
from mmengine.registry import MODELS
from pair_sets import ids

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.splits import fold_split, hashed_split
from custom_modules.eda.sources import config_subject
from custom_modules.engine.config_checks import require_one_split
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures('segmentation')
IDS = [f'{i:04d}' for i in range(115)]
OWN = dict(img_path='{split}/a', seg_map_path='{split}/b')


def parts(ids, fold: int, folds: int = 5, val_fraction: float = 0.2) -> dict[str, set[str]]:
    names = ('train', 'val', 'test', 'all')
    return {name: set(fold_split(ids, name, fold, folds, val_fraction)) for name in names}


@pytest.mark.parametrize(('count', 'folds'), [(115, 5), (7, 3), (5, 5), (2, 2)])
def test_folds_are_disjoint_complete_and_of_equal_size(count, folds):
    held_out = [parts(IDS[:count], k, folds)['test'] for k in range(folds)]
    assert sum(map(len, held_out)) == count and set.union(*held_out) == set(IDS[:count])
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 1


def test_the_parts_of_a_fold_share_nothing_and_are_known():
    for k in range(5):
        own = parts(IDS, k)
        assert own['train'] | own['val'] | own['test'] == own['all'] == set(IDS)
        # 23 of 115, and a fifth of the other 92
        assert [len(own[name]) for name in ('train', 'val', 'test')] == [74, 18, 23]
    validated = [image for k in range(5) for image in parts(IDS, k)['val']]
    assert len(set(validated)) == len(validated)
    assert parts(IDS[::-1], 3) == parts(IDS, 3)
    # on any machine: what the fractions would hold out is fold 0
    assert parts(IDS, 0)['test'] == set(hashed_split(IDS, 'test', 0.0, 0.2))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(fold=5), 'from 0 to 4, got 5'),
        (dict(fold='1'), "from 0 to 4, got '1'"),
        (dict(fold=0, folds=1), 'at least 2, got 1'),
        (dict(fold=0, folds=11), 'more than the 10 pairs .* at most 10'),
        (dict(fold=0, val_fraction=1.0), 'val_fraction .* less than 1, got 1.0'),
        (dict(fold=0, folds=2, val_fraction=0.99), 'train part of .* is empty'),
        (dict(fold=0, data_prefix=OWN), 'folder of its own'),
        (dict(train_fraction=25), 'greater than 0 and at most 1, got 25'),
        (dict(train_fraction='half'), "greater than 0 and at most 1, got 'half'"),
        (dict(train_fraction=0.01), 'train_fraction=0.01 of the 8 training pairs .* is none'),
        (dict(split='all', train_fraction=0.5), "share from split='train', but split is 'all'"),
    ],
)
def test_what_is_no_fold_or_share_is_refused(moon, options, words):
    with pytest.raises(UsageError, match=words):
        MoonDataset(moon, **options)


def test_a_data_set_is_cut_into_folds(moon):
    def make(split, fold=None, **options):
        options |= dict(split=split, fold=fold, serialize_data=False)
        return set(ids(MoonDataset(moon, **options)))

    names = IDS[:10]
    for split in ('train', 'val', 'test', 'all'):
        assert make(split, 2) == set(fold_split(names, split, 2, 5, 0.2))
    # without a fold nothing has changed, and folds alone cuts nothing
    for split in ('train', 'val'):
        assert make(split, folds=3) == set(hashed_split(names, split, 0.2, 0.0))
    # a share of the training part, and the folds of listed pairs
    assert make('train', 2, train_fraction=0.5) < make('train', 2)
    (moon / 'list.txt').write_text('\n'.join(names[:4]))
    listed = [make('test', k, folds=2, ann_file=str(moon / 'list.txt')) for k in (0, 1)]
    assert set.union(*listed) == set(names[:4]) and not set.intersection(*listed)


@pytest.mark.parametrize(
    ('train', 'test', 'words'),
    [
        ({}, {}, ''),
        ({}, dict(test_fraction=0.1), 'test_fraction=0.1.*images are shared'),
        # another folder, or one for each part: nothing is shared
        ({}, dict(test_fraction=0.1, data_prefix=dict(img_path='others')), ''),
        (dict(data_prefix=OWN), dict(data_prefix=OWN, test_fraction=0.1), ''),
        (dict(fold=1), dict(fold=1, folds=5), ''),
        # of no effect beside a fold
        (dict(fold=1, test_fraction=0.2), dict(fold=1), ''),
        (dict(fold=1), dict(fold=2), 'fold=1 folds=5'),
        (dict(fold=1), dict(fold=1, folds=4), 'fold=1 folds=5'),
        (dict(fold=1), {}, 'fold=1 folds=5'),
        (dict(fold=1), dict(fold=1, ann_file='a.txt'), 'fold=1 folds=5'),
    ],
)
def test_parts_of_one_folder_are_cut_alike(moon, train, test, words):
    common = dict(type='MoonDataset', data_root=str(moon))
    parts = dict(train=dict(common, split='train', **train), test=dict(common, split='test', **test))
    cfg = Config({f'{name}_dataloader': dict(dataset=part) for name, part in parts.items()})
    if not words:
        return require_one_split(cfg)
    with pytest.raises(UsageError, match=f'cut differently .*{words}'):
        require_one_split(cfg)


@pytest.fixture(scope='module')
def twenty(tmp_path_factory) -> Path:
    return make_moon(tmp_path_factory.mktemp('moon'), count=20, size=32)


def part(root, **options) -> MoonDataset:
    return MoonDataset(str(root), **{'check': False, 'serialize_data': False, **options})


def test_shares_are_nested_and_of_the_training_part_alone(twenty):
    shares = [ids(part(twenty, train_fraction=share)) for share in (0.25, 0.5, 1.0)]
    # of 20 pairs, 16 are for training
    assert [len(share) for share in shares] == [4, 8, 16]
    assert set(shares[0]) < set(shares[1]) < set(shares[2])
    assert shares[2] == ids(part(twenty)) and shares[0] == sorted(shares[0])
    # no beginning of the names' order, which follows the scenes
    assert shares[0] != shares[2][:4]
    # nothing else becomes smaller
    for split, count in (('val', 4), ('test', 2)):
        whole = part(twenty, split=split, test_fraction=0.1)
        assert len(whole) == count
        assert ids(part(twenty, split=split, test_fraction=0.1, train_fraction=0.1)) == ids(whole)
    # scores on the training part
    assert len(part(twenty, train_fraction=0.25, test_mode=True)) == 16
    small = set(ids(part(twenty, train_fraction=0.5)))
    assert small.isdisjoint(ids(part(twenty, split='val', train_fraction=0.5)))


def test_what_else_reads_the_training_part_sees_the_share(twenty, repository, monkeypatch):
    """An analysis and eda."""
    monkeypatch.setenv('MOON_DATA', str(twenty))
    config = repository / 'configs' / 'unet_baseline.py'
    options = [f'{name}_dataloader.dataset.train_fraction=0.25' for name in ('train', 'val', 'test')]
    assert [len(part.pairs) for part in config_subject(str(config), options).parts] == [4, 4]
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.train_fraction = 0.25
    for name in ('train', 'test'):
        cfg[f'{name}_dataloader'].merge(dict(num_workers=0, persistent_workers=False))
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), twenty / 'weights.pth')
    assert len(CheckpointPredictions(cfg, str(twenty / 'weights.pth'), 'train')) == 4


def test_a_training_holds_out_one_fold(tool, moon, repository, tmp_path):
    config = repository / 'configs' / 'unet_baseline.py'
    options = ['--cfg-options', *MOON_OPTIONS, 'default_hooks.fixed_samples.count=0']
    run = ['--work-dir', tmp_path / 'run', '--fold', '1', '--folds', '2']
    assert tool('train.py', config, *run, *options) == 0
    cfg = Config.fromfile(tmp_path / 'run' / 'unet_baseline.py')
    parts = {part: cfg[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')}
    assert {(own.fold, own.folds) for own in parts.values()} == {(1, 2)}
    assert [own.split for own in parts.values()] == ['train', 'val', 'test']
    assert tool('train.py', config, '--fold', '2', '--folds', '2') == 2

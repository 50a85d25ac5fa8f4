"""Fractions, lists and folds: each image is in one part, by the hash of its name; a share of the training part is nested."""

import pytest
from conftest import MOON_OPTIONS, make_moon
from mmengine.config import Config
from pair_sets import ids

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.splits import fold_split, hashed_split
from custom_modules.engine.config_checks import require_one_split
from custom_modules.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures('segmentation')
# the last is of a name that is not UTF-8
IDS = [*(f'{i:04d}' for i in range(114)), 'm\udce9']


def parts(ids, fold: int, folds: int = 5) -> dict[str, set[str]]:
    return {name: set(fold_split(ids, name, fold, folds, 0.2)) for name in ('train', 'val', 'test', 'all')}


@pytest.mark.parametrize(('count', 'folds'), [(115, 5), (7, 3), (5, 5), (2, 2)])
def test_folds_are_complete_of_equal_size_and_share_nothing(count, folds):
    names = IDS[:count]
    found = [parts(names, k, folds) for k in range(folds)]
    for own in found:
        assert own['train'] | own['val'] | own['test'] == own['all'] == set(names)
        assert sum(len(own[name]) for name in ('train', 'val', 'test')) == count
    for part in ('test', 'val'):
        held_out = [own[part] for own in found]
        assert sum(map(len, held_out)) == len(set.union(*held_out))
        assert max(map(len, held_out)) - min(map(len, held_out)) <= 1
    assert set.union(*(own['test'] for own in found)) == set(names)
    assert parts(names[::-1], 1, folds) == found[1]
    # on any machine: what the fractions would hold out is fold 0
    assert found[0]['test'] == set(hashed_split(names, 'test', 0.0, 1 / folds))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(fold=5), 'from 0 to 4, got 5'),
        (dict(fold=0, folds=1), '2 or more, got 1'),
        (dict(fold=0, folds=11), 'more than the 10 pairs .* at most 10'),
        (dict(fold=0, data_prefix=dict(img_path='{split}/a', seg_map_path='{split}/b')), 'folder of its own'),
        (dict(train_fraction=25), 'greater than 0 and at most 1, got 25'),
        (dict(train_fraction=0.01), 'train_fraction=0.01 of the 8 training pairs .* is none'),
        (dict(split='all', train_fraction=0.5), "share from split='train', but split is 'all'"),
    ],
)
def test_what_is_no_fold_or_share_is_refused(moon, options, words):
    with pytest.raises(UsageError, match=words):
        MoonDataset(moon, **options)


def test_a_data_set_is_cut_into_folds(moon):
    def make(split, fold, **options):
        return set(ids(part(moon, split=split, fold=fold, **options)))

    names = IDS[:10]
    assert {split: make(split, 2) for split in ('train', 'val', 'test', 'all')} == parts(names, 2)
    # folds alone cuts nothing
    assert make('val', None, folds=3) == set(hashed_split(names, 'val', 0.2, 0.0))
    # a share of the training part, and the folds of listed pairs
    assert make('train', 2, train_fraction=0.5) < make('train', 2)
    (moon / 'list.txt').write_text('\n'.join(names[:4]))
    listed = [make('test', k, folds=2, ann_file=str(moon / 'list.txt')) for k in (0, 1)]
    assert set.union(*listed) == set(names[:4]) and not set.intersection(*listed)


@pytest.mark.parametrize(
    ('train', 'test', 'words'),
    [
        ({}, dict(test_fraction=0.1), 'test_fraction=0.1.*images are shared'),
        (dict(fold=1), dict(fold=2), 'fold=1 folds=5'),
        (dict(fold=1), dict(fold=1, ann_file='a.txt'), 'fold=1 folds=5'),
    ],
)
def test_parts_of_one_folder_are_cut_alike(moon, train, test, words):
    common = dict(type='MoonDataset', data_root=str(moon))
    parts = dict(train=dict(common, split='train', **train), test=dict(common, split='test', **test))
    cfg = Config({f'{name}_dataloader': dict(dataset=part) for name, part in parts.items()})
    with pytest.raises(UsageError, match=f'cut differently .*{words}'):
        require_one_split(cfg)


def part(root, **options) -> MoonDataset:
    return MoonDataset(str(root), **{'check': False, 'serialize_data': False, **options})


def test_shares_are_nested_and_of_the_training_part_alone(tmp_path):
    twenty = make_moon(tmp_path, count=20, size=32)
    shares = [ids(part(twenty, train_fraction=share)) for share in (0.25, 0.5, 1.0)]
    # of 20 pairs, 16 are for training
    assert [len(share) for share in shares] == [4, 8, 16]
    assert set(shares[0]) < set(shares[1]) < set(shares[2])
    # no beginning of the names' order, which follows the scenes
    assert shares[0] != shares[2][:4]
    # nothing else becomes smaller
    for split, count in (('val', 4), ('test', 2)):
        whole = part(twenty, split=split, test_fraction=0.1)
        assert len(whole) == count
        assert ids(part(twenty, split=split, test_fraction=0.1, train_fraction=0.1)) == ids(whole)
    assert len(part(twenty, train_fraction=0.25, test_mode=True)) == 16


def test_a_training_holds_out_one_fold(tool, moon, repository, tmp_path):
    config = repository / 'configs' / 'unet_baseline.py'
    options = ['--cfg-options', *MOON_OPTIONS, 'default_hooks.fixed_samples.count=0']
    assert tool('train.py', config, '--work-dir', tmp_path / 'run', '--fold', '1', '--folds', '2', *options) == 0
    cfg = Config.fromfile(tmp_path / 'run' / 'unet_baseline.py')
    parts = {part: cfg[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')}
    assert {part: (own.split, own.fold, own.folds) for part, own in parts.items()} == {p: (p, 1, 2) for p in parts}

"""Cross-validation: each image is held out once, by the hash of its name; the parts of a fold share none."""

import pytest
from mmengine.config import Config
from pair_sets import ids

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.splits import fold_split, hashed_split
from custom_modules.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures('segmentation')
IDS = [f'{i:04d}' for i in range(115)]


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
    assert max(map(validated.count, IDS)) == 1
    assert parts(IDS[::-1], 3) == parts(IDS, 3)
    # on any machine: what the fractions would hold out is fold 0
    assert parts(IDS, 0)['test'] == set(hashed_split(IDS, 'test', 0.0, 0.2))


OWN = dict(img_path='{split}/a', seg_map_path='{split}/b')


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(fold=5), 'from 0 to 4, got 5'),
        (dict(fold=-1), 'from 0 to 4, got -1'),
        (dict(fold='1'), "from 0 to 4, got '1'"),
        (dict(fold=0.0), 'from 0 to 4, got 0.0'),
        (dict(fold=True), 'from 0 to 4, got True'),
        (dict(fold=0, folds=1), 'at least 2, got 1'),
        (dict(fold=0, folds=11), 'more than the 10 pairs .* at most 10'),
        (dict(fold=0, val_fraction=1.0), 'val_fraction .* less than 1, got 1.0'),
        (dict(fold=0, val_fraction=0.0, split='val'), 'val part of .* is empty: 10 pairs'),
        (dict(fold=0, folds=2, val_fraction=0.99), 'train part of .* is empty'),
        (dict(fold=0, data_prefix=OWN), 'folder of its own'),
    ],
)
def test_what_is_no_fold_is_refused(moon, options, words):
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


def test_data_sets_of_another_fold_are_cut_differently(moon):
    from custom_modules.engine.config_checks import require_one_split

    def config(train: dict, test: dict) -> Config:
        common = dict(type='MoonDataset', data_root=str(moon))
        parts = dict(
            train=dict(common, split='train', **train), test=dict(common, split='test', **test)
        )
        return Config({f'{name}_dataloader': dict(dataset=part) for name, part in parts.items()})

    require_one_split(config(dict(fold=1), dict(fold=1, folds=5)))
    # of no effect beside a fold
    require_one_split(config(dict(fold=1, test_fraction=0.2), dict(fold=1)))
    for other in (dict(fold=2), dict(fold=1, folds=4), {}, dict(fold=1, ann_file='a.txt')):
        with pytest.raises(UsageError, match='cut differently .*fold=1 folds=5'):
            require_one_split(config(dict(fold=1), other))

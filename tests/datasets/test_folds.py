"""Cross-validation: each image is held out once, by the hash of its name; the parts of a fold share none."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from custom_modules.datasets.moon_dataset import MoonDataset
from custom_modules.datasets.splits import fold_split, hashed_split
from custom_modules.utils.errors import UsageError

IDS = [f'{i:04d}' for i in range(115)]


@pytest.fixture(autouse=True)
def registered():
    import custom_modules.segmentation  # noqa: F401

    init_default_scope('mmseg')


def parts(ids, fold: int, folds: int = 5, val_fraction: float = 0.2) -> dict[str, set[str]]:
    names = ('train', 'val', 'test', 'all')
    return {name: set(fold_split(ids, name, fold, folds, val_fraction)) for name in names}


@pytest.mark.parametrize(('count', 'folds'), [(115, 5), (7, 3), (5, 5), (2, 2)])
def test_folds_are_disjoint_complete_and_of_equal_size(count, folds):
    held_out = [parts(IDS[:count], k, folds)['test'] for k in range(folds)]
    assert sum(map(len, held_out)) == count and set.union(*held_out) == set(IDS[:count])
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 1


def test_the_parts_of_a_fold_share_nothing():
    for k in range(5):
        own = parts(IDS, k)
        assert own['train'] | own['val'] | own['test'] == own['all'] == set(IDS)
        # 23 of 115, and a fifth of the other 92
        assert [len(own[name]) for name in ('train', 'val', 'test')] == [74, 18, 23]


def test_no_image_is_kept_from_training_in_most_of_the_folds():
    validated = [image for k in range(5) for image in parts(IDS, k)['val']]
    assert max(map(validated.count, IDS)) == 1


def test_the_order_of_files_changes_nothing_and_the_first_fold_is_known():
    assert parts(IDS[::-1], 3) == parts(IDS, 3)
    # on any machine: what the fractions would hold out is fold 0
    assert parts(IDS, 0)['test'] == set(hashed_split(IDS, 'test', 0.0, 0.2))


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
        (
            dict(fold=0, data_prefix=dict(img_path='{split}/a', seg_map_path='{split}/b')),
            'folder of its own',
        ),
    ],
)
def test_what_is_no_fold_is_refused(moon, options, words):
    with pytest.raises(UsageError, match=words):
        MoonDataset(moon, **options)


def names(dataset) -> set[str]:
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    return {Path(info['img_path']).stem.removeprefix('render') for info in infos}


def test_a_data_set_is_cut_into_folds(moon):
    def make(split, fold=None, **options):
        return MoonDataset(moon, split=split, fold=fold, serialize_data=False, **options)

    ids = [f'{i:04d}' for i in range(10)]
    for split in ('train', 'val', 'test', 'all'):
        assert names(make(split, 2)) == set(fold_split(ids, split, 2, 5, 0.2))
    # without a fold nothing has changed, and folds alone cuts nothing
    for split in ('train', 'val'):
        assert names(make(split, folds=3)) == set(hashed_split(ids, split, 0.2, 0.0))
    # a share of the training part, and the folds of listed pairs
    assert names(make('train', 2, train_fraction=0.5)) < names(make('train', 2))
    (moon / 'list.txt').write_text('\n'.join(ids[:4]))
    listed = [names(make('test', k, folds=2, ann_file=str(moon / 'list.txt'))) for k in (0, 1)]
    assert set.union(*listed) == set(ids[:4]) and not set.intersection(*listed)


def test_data_sets_of_another_fold_are_cut_differently(moon):
    from custom_modules.engine.config_checks import require_one_split

    def config(train: dict, test: dict) -> Config:
        common = dict(type='MoonDataset', data_root=str(moon))
        return Config(
            dict(
                train_dataloader=dict(dataset=dict(common, split='train', **train)),
                test_dataloader=dict(dataset=dict(common, split='test', **test)),
            )
        )

    require_one_split(config(dict(fold=1), dict(fold=1, folds=5)))
    # of no effect beside a fold
    require_one_split(config(dict(fold=1, test_fraction=0.2), dict(fold=1)))
    for other in (dict(fold=2), dict(fold=1, folds=4), {}, dict(fold=1, ann_file='a.txt')):
        with pytest.raises(UsageError, match='cut differently .*fold=1 folds=5'):
            require_one_split(config(dict(fold=1), other))


def test_what_looks_at_data_sees_the_fold(moon, repository, monkeypatch):
    from custom_modules.eda.sources import config_subject

    monkeypatch.setenv('MOON_DATA', str(moon))
    options = [f'{p}_dataloader.dataset.fold=1' for p in ('train', 'val', 'test')]
    options.append('test_dataloader.dataset.split=test')
    subject = config_subject(str(repository / 'configs' / 'unet_baseline.py'), options)
    ids = [f'{i:04d}' for i in range(10)]
    assert {part.name: set(part.ids) for part in subject.parts} == {
        name: set(fold_split(ids, name, 1, 5, 0.2)) for name in ('train', 'val', 'test')
    }

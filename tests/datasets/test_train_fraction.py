"""A share of the training part: nested, the same for every seed, and nothing else becomes smaller."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_moon, write_pair
from mmengine.config import Config
from mmengine.registry import MODELS

from custom_modules.datasets.moon_dataset import MoonDataset
from custom_modules.utils.errors import UsageError

LOAD = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='ResizeToLoadSize'),
    dict(type='PackSegInputs'),
]


@pytest.fixture(scope='module')
def moon(tmp_path_factory) -> Path:
    return make_moon(tmp_path_factory.mktemp('moon'), count=20, size=32)


@pytest.fixture(autouse=True)
def registered():
    from mmengine.registry import init_default_scope

    import custom_modules.segmentation  # noqa: F401

    init_default_scope('mmseg')


def part(root, **options) -> MoonDataset:
    return MoonDataset(str(root), **{'check': False, 'serialize_data': False, **options})


def ids(dataset) -> list[str]:
    return [Path(dataset.get_data_info(i)['img_path']).stem for i in range(len(dataset))]


def test_shares_are_nested_and_of_the_right_size(moon):
    shares = [ids(part(moon, train_fraction=share)) for share in (0.25, 0.5, 1.0)]
    # of 20 pairs, 16 are for training
    assert [len(share) for share in shares] == [4, 8, 16]
    assert set(shares[0]) < set(shares[1]) < set(shares[2])
    assert shares[2] == ids(part(moon)) and shares[0] == sorted(shares[0])
    # no beginning of the names' order, which follows the scenes
    assert shares[0] != shares[2][:4]


def test_the_training_part_is_analysed_as_it_was_trained_on(moon, repository, monkeypatch):
    from custom_modules.evaluation.predictions import CheckpointPredictions

    monkeypatch.setenv('MOON_DATA', str(moon))
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.train_dataloader.dataset.train_fraction = 0.25
    for part_of_it in ('train', 'test'):
        cfg[f'{part_of_it}_dataloader'].merge(dict(num_workers=0, persistent_workers=False))
    weights = MODELS.build(cfg.model).state_dict()
    torch.save(dict(state_dict=weights), moon / 'weights.pth')
    assert len(CheckpointPredictions(cfg, str(moon / 'weights.pth'), 'train')) == 4


def test_nothing_else_becomes_smaller(moon):
    for split, count in (('val', 4), ('test', 2)):
        whole = part(moon, split=split, test_fraction=0.1)
        assert len(whole) == count
        assert ids(part(moon, split=split, test_fraction=0.1, train_fraction=0.1)) == ids(whole)
    # scores on the training part
    assert len(part(moon, train_fraction=0.25, test_mode=True)) == 16
    small = set(ids(part(moon, train_fraction=0.5)))
    assert small.isdisjoint(ids(part(moon, split='val', train_fraction=0.5)))


def test_lists_and_folders_of_their_own_give_a_share_too(moon, tmp_path):
    listed = tmp_path / 'train.txt'
    listed.write_text('0001\n0002\n0003\n0004\n')
    chosen = ids(part(moon, ann_file=str(listed), train_fraction=0.5))
    assert len(chosen) == 2 and {i[-4:] for i in chosen} < {'0001', '0002', '0003', '0004'}
    for split in ('train', 'val'):
        for i in range(4):
            mask = np.full((8, 8), 255, np.uint8)
            write_pair(tmp_path / split, f'{i}', np.zeros((8, 8, 3), np.uint8), mask)
    own = dict(img_path='{split}/images/render', seg_map_path='{split}/images/ground')
    sizes = [
        len(part(tmp_path, split=split, data_prefix=own, train_fraction=0.5))
        for split in ('train', 'val')
    ]
    assert sizes == [2, 4]


@pytest.mark.parametrize('share', [0, -0.5, 1.01, 25, 'half', None, float('nan')])
def test_what_is_no_share_is_refused(moon, share):
    with pytest.raises(UsageError, match=f'greater than 0 and at most 1, got {share!r}'):
        part(moon, train_fraction=share)


def test_a_share_of_nothing_and_of_no_training_part_are_refused(moon):
    with pytest.raises(UsageError, match='train_fraction=0.01 of the 16 training pairs .* is none'):
        part(moon, train_fraction=0.01)
    with pytest.raises(UsageError, match="takes its share from split='train', but split is 'all'"):
        part(moon, split='all', train_fraction=0.5)


def test_the_cache_holds_the_share(moon):
    def filled(**options):
        dataset = part(moon, pipeline=LOAD, load_size=(16, 16), train_fraction=0.25, **options)
        dataset.full_init()
        return dataset

    cached, plain = filled(cache='ram'), filled()
    assert len(cached._decoded) == 4
    for i in range(4):
        assert cached[i]['data_samples'].img_path == plain[i]['data_samples'].img_path
        assert (cached[i]['inputs'] == plain[i]['inputs']).all()


def test_eda_counts_what_is_trained_on(moon, repository, monkeypatch):
    from custom_modules.eda.sources import config_subject

    monkeypatch.setenv('MOON_DATA', str(moon))
    options = [
        f'{name}_dataloader.dataset.train_fraction=0.25' for name in ('train', 'val', 'test')
    ]
    parts = config_subject(str(repository / 'configs' / 'unet_baseline.py'), options).parts
    assert [len(part.pairs) for part in parts] == [4, 4]


def test_the_key_of_the_configs(repository, moon, monkeypatch):
    """The line that the docs give."""
    from mmengine.registry import DATASETS

    monkeypatch.setenv('MOON_DATA', str(moon))
    cfg = Config.fromfile(repository / 'configs' / 'unet_baseline.py')
    cfg.merge_from_dict({'train_dataloader.dataset.train_fraction': 0.5})
    assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 8
    assert len(DATASETS.build(cfg.val_dataloader.dataset)) == 4

"""A share of the training part: nested, the same for every seed, and nothing else becomes smaller."""

from pathlib import Path

import pytest
import torch
from conftest import make_moon
from mmengine.config import Config
from mmengine.registry import MODELS
from pair_sets import PIPELINE, content, ids

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.eda.sources import config_subject
from custom_modules.evaluation.predictions import CheckpointPredictions
from custom_modules.utils.errors import UsageError

pytestmark = pytest.mark.usefixtures('segmentation')


@pytest.fixture(scope='module')
def moon(tmp_path_factory) -> Path:
    return make_moon(tmp_path_factory.mktemp('moon'), count=20, size=32)


def part(root, **options) -> MoonDataset:
    return MoonDataset(str(root), **{'check': False, 'serialize_data': False, **options})


def test_shares_are_nested_and_of_the_right_size(moon):
    shares = [ids(part(moon, train_fraction=share)) for share in (0.25, 0.5, 1.0)]
    # of 20 pairs, 16 are for training
    assert [len(share) for share in shares] == [4, 8, 16]
    assert set(shares[0]) < set(shares[1]) < set(shares[2])
    assert shares[2] == ids(part(moon)) and shares[0] == sorted(shares[0])
    # no beginning of the names' order, which follows the scenes
    assert shares[0] != shares[2][:4]


def test_what_else_reads_the_training_part_sees_the_share(moon, repository, monkeypatch):
    """A cache, an analysis and eda."""
    cached = part(moon, pipeline=PIPELINE, load_size=(16, 16), train_fraction=0.25, cache='ram')
    plain = part(moon, pipeline=PIPELINE, load_size=(16, 16), train_fraction=0.25)
    cached.full_init()
    assert len(cached._decoded) == 4
    assert [content(cached[i]) for i in range(4)] == [content(plain[i]) for i in range(4)]
    monkeypatch.setenv('MOON_DATA', str(moon))
    config = repository / 'configs' / 'unet_baseline.py'
    options = [
        f'{name}_dataloader.dataset.train_fraction=0.25' for name in ('train', 'val', 'test')
    ]
    parts = config_subject(str(config), options).parts
    assert [len(part.pairs) for part in parts] == [4, 4]
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.train_fraction = 0.25
    for name in ('train', 'test'):
        cfg[f'{name}_dataloader'].merge(dict(num_workers=0, persistent_workers=False))
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), moon / 'weights.pth')
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


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        *(
            (dict(train_fraction=share), f'greater than 0 and at most 1, got {share!r}')
            for share in (0, -0.5, 1.01, 25, 'half', None, float('nan'))
        ),
        (dict(train_fraction=0.01), 'train_fraction=0.01 of the 16 training pairs .* is none'),
        (dict(split='all', train_fraction=0.5), "share from split='train', but split is 'all'"),
    ],
)
def test_what_is_no_share_is_refused(moon, options, words):
    with pytest.raises(UsageError, match=words):
        part(moon, **options)

"""A sample's random numbers follow from seed, epoch and place, whoever draws them and whatever was drawn before."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, init_default_scope
from torch.utils.data import DataLoader

import custom_modules.segmentation  # noqa: F401
from custom_modules.datasets.samples import SeededConcatDataset, SeededRepeatDataset, SeededSamples, seeded


class Drawn(SeededSamples, BaseDataset):
    """Six samples, each of them what three generators give."""

    def load_data_list(self):
        return [dict(place=i) for i in range(6)]

    def prepare_data(self, idx):
        return torch.tensor(draw())


def epoch_of(dataset, seed, epoch, workers=0):
    dataset.set_epoch(seed, epoch)
    return torch.cat(list(DataLoader(dataset, batch_size=4, num_workers=workers)))


@pytest.mark.parametrize(
    'kind',
    [
        lambda one: one,
        lambda one: SeededRepeatDataset(one, times=2),
        lambda one: SeededConcatDataset([one, Drawn(serialize_data=False)]),
    ],
    ids=['alone', 'repeated', 'joined'],
)
def test_workers_and_what_was_drawn_before_do_not_matter(kind):
    dataset = kind(Drawn(serialize_data=False))
    first = epoch_of(dataset, 0, 3)
    np.random.rand(5)
    torch.rand(5)
    assert torch.equal(epoch_of(dataset, 0, 3), first)
    assert torch.equal(epoch_of(dataset, 0, 3, workers=2), first)
    assert not torch.equal(epoch_of(dataset, 0, 4), first)
    assert not torch.equal(epoch_of(dataset, 1, 3), first)
    # no two samples alike, those that are repeated neither
    assert len(first.unique()) == first.numel()


def draw() -> list[float]:
    return [np.random.rand(), random.random(), torch.rand(1).item()]


def test_a_block_leaves_the_generators_as_they_were():
    found = []
    for use in (False, True):
        np.random.seed(1)
        random.seed(1)
        torch.manual_seed(1)
        if use:
            with pytest.raises(KeyError), seeded(0, 0, 0):
                draw()
                raise KeyError
        found.append(draw())
    assert found[0] == found[1]
    # untold, a data set draws as ever
    assert not torch.equal(*(Drawn(serialize_data=False)[0] for _ in range(2)))
    init_default_scope('mmseg')
    assert DATASETS.get('RepeatDataset') is SeededRepeatDataset
    assert DATASETS.get('ConcatDataset') is SeededConcatDataset

"""Samples are the same decoded once or anew, shared by workers, never of other places, and drawn by seed, epoch and place."""

import copy
import gc
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS
from pair_sets import LOAD, PACK, PIPELINE, RESIZE
from torch.utils.data import DataLoader

from custom_modules.datasets.mask_datasets import MoonDataset
from custom_modules.datasets.samples import SeededConcatDataset, SeededRepeatDataset, SeededSamples, seeded

pytestmark = pytest.mark.usefixtures('segmentation')
RESIZE_OTHERWISE = dict(type='Resize', scale=(40, 20), keep_ratio=True)
AUGMENT = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomRotate', prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type='PhotoMetricDistortion'),
]


def built(root, pipeline=PIPELINE, **options):
    """Build a set of ten pairs; nothing is decoded yet."""
    # each data set makes mmengine collect garbage, which looks at all that the libraries have made
    gc.freeze()
    return MoonDataset(str(root), **dict(split='all', load_size=(32, 24), pipeline=copy.deepcopy(list(pipeline))) | options)


def filled(root, pipeline=PIPELINE, **options):
    """As :func:`built`, and decoded, as a data loader of mmengine's runner finds it."""
    dataset = built(root, pipeline, cache='ram', **options)
    dataset.full_init()
    return dataset


def content(value):
    """What two samples are compared by: every key, type and number."""
    if hasattr(value, 'all_items'):
        return type(value), content(dict(value.all_items()))
    if isinstance(value, dict):
        return {key: content(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [type(value), *map(content, value)]
    if isinstance(value, torch.Tensor | np.ndarray):
        return type(value), value.dtype, tuple(value.shape), value.tolist()
    return value


def all_of(dataset) -> list:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return [content(dataset[i]) for i in range(len(dataset))]


@pytest.mark.parametrize('steps', [(*LOAD, RESIZE), (*LOAD, RESIZE_OTHERWISE, PACK), (*LOAD, RESIZE, *AUGMENT, PACK)])
def test_cached_and_uncached_give_the_same(moon, decodes, steps):
    plain, dataset = all_of(built(moon, steps)), filled(moon, steps)

    def twice() -> None:
        for _ in range(2):
            assert all_of(dataset) == plain
            # what is handed out may be changed
            for sample in map(dataset.__getitem__, range(10)):
                for value in sample.values():
                    if isinstance(value, np.ndarray | torch.Tensor):
                        value[:] = 7

    assert decodes(twice) == 0


def test_a_part_and_a_subset(moon, decodes):
    plain = all_of(built(moon))
    part, first = filled(moon, indices=[7, 2]), filled(moon)
    subset = first.get_subset([4, 6])
    first.get_subset_([5, 3])
    # places mean other samples than those that were decoded
    for dataset, indices in ((part, [7, 2]), (subset, [4, 6]), (first, [5, 3])):
        for _ in range(2):
            assert all_of(dataset) == [plain[i] for i in indices]
            dataset.full_init()
        assert decodes(lambda dataset=dataset: all_of(dataset)) == 0


def test_another_pipeline_later(moon):
    dataset = filled(moon)
    # as mmengine's PipelineSwitchHook
    dataset.pipeline = Compose([*LOAD, RESIZE_OTHERWISE, PACK])
    assert all_of(dataset) == all_of(built(moon, [*LOAD, RESIZE_OTHERWISE, PACK]))


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
    assert DATASETS.get('RepeatDataset') is SeededRepeatDataset
    assert DATASETS.get('ConcatDataset') is SeededConcatDataset

"""Decoded samples: shared between processes, the same as from the files, and never old ones."""

import copy
import multiprocessing
import os
import pickle
import random
import re
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from pair_sets import AUGMENT, LOAD, PACK, PIPELINE, RESIZE, all_of, built, content, filled
from PIL import Image

from custom_modules.datasets import cache
from custom_modules.engine.config import without_cache
from custom_modules.utils.errors import UsageError

RESIZE_OTHERWISE = dict(type='Resize', scale=(40, 20), keep_ratio=True)


@pytest.fixture
def said(monkeypatch) -> list[str]:
    said = []
    monkeypatch.setattr(cache, 'warn', said.append)
    return said


def imagenet(root, pipeline, **options):
    from custom_modules.datasets.tiny_imagenet import TinyImageNet

    init_default_scope('mmpretrain')
    dataset = TinyImageNet(root, pipeline=[LOAD[0], *pipeline, dict(type='PackInputs')], **options)
    dataset.full_init()
    return dataset


@pytest.mark.parametrize(
    'pipeline',
    [
        # all that the transforms hand on
        (*LOAD, RESIZE),
        (*LOAD, RESIZE_OTHERWISE, PACK),
        (*LOAD, RESIZE, *AUGMENT, PACK),
    ],
)
def test_cached_and_uncached_give_the_same(moon, decodes, pipeline):
    plain, dataset = all_of(built(moon, pipeline)), filled(moon, pipeline)

    def twice() -> None:
        assert all_of(dataset) == plain
        # what is handed out may be changed
        for sample in map(dataset.__getitem__, range(10)):
            for value in sample.values():
                if isinstance(value, np.ndarray | torch.Tensor):
                    value[:] = 7
                elif isinstance(value, list):
                    value.append('more')
        assert all_of(dataset) == plain

    assert decodes(twice) == 0
    assert copy.deepcopy(dataset)._decoded is dataset._decoded


@pytest.mark.parametrize(
    ('pipeline', 'kept'),
    [
        ([], (64, 64, 3)),
        ([dict(type='ResizeEdge', scale=48), dict(type='CenterCrop', crop_size=40)], (40, 40, 3)),
        # what follows a random step is not kept
        ([dict(type='RandomResizedCrop', scale=32), dict(type='Resize', scale=9)], (64, 64, 3)),
    ],
)
def test_tiny_imagenet(tiny_imagenet, pipeline, kept):
    dataset = imagenet(tiny_imagenet, pipeline, cache='ram')
    assert all_of(dataset) == all_of(imagenet(tiny_imagenet, pipeline))
    assert dataset._decoded[0]['img'].shape == kept


def test_a_part_and_a_subset(moon, decodes):
    plain = [dataset[i] for dataset in [built(moon)] for i in range(10)]
    assert content(filled(moon)[-1]) == content(plain[-1])
    part, first = filled(moon, indices=[7, 2]), filled(moon)
    subset = first.get_subset([4, 6])
    first.get_subset_(3)
    # places mean other samples than those that were decoded
    for dataset, indices in ((part, [7, 2]), (subset, [4, 6]), (first, [0, 1, 2])):
        for _ in range(2):
            samples = [dataset[i] for i in range(len(dataset))]
            paths = [sample['data_samples'].img_path for sample in samples]
            assert paths == [plain[i]['data_samples'].img_path for i in indices]
            images = [content(sample['inputs']) for sample in samples]
            assert images == [content(plain[i]['inputs']) for i in indices]
            dataset.full_init()
        assert decodes(lambda dataset=dataset: all_of(dataset)) == 0


def test_another_pipeline_later(moon, decodes, said):
    dataset = filled(moon)
    # mmengine's PipelineSwitchHook; the loading steps are other objects that do the same
    dataset.pipeline = Compose([*LOAD, RESIZE, AUGMENT[0], PACK])
    assert decodes(lambda: all_of(dataset)) == 0 and said == []
    dataset.pipeline = Compose([*LOAD, RESIZE_OTHERWISE, PACK])
    assert all_of(dataset) == all_of(built(moon, [*LOAD, RESIZE_OTHERWISE, PACK]))
    assert len(said) == 1 and 'loads otherwise' in said[0]


def test_it_is_filled_for_a_data_loader_only(moon, decodes):
    dataset = built(moon, cache='ram')
    assert len(dataset) == 10 and dataset.get_data_info(0) and dataset[3]
    assert dataset._decoded is None

    def states() -> list:
        return [random.getstate(), list(np.random.get_state()[1]), torch.get_rng_state().tolist()]

    before = states()
    assert decodes(dataset.full_init) == 20
    assert before == states(), 'filling draws no number'
    assert decodes(dataset.full_init) == 0
    assert decodes(lambda: built(moon, cache='ram', lazy_init=True)) == 0
    with pytest.raises(UsageError, match="'ram' or None, got 'disk'"):
        built(moon, cache='disk')


def test_the_configs_keep_samples(moon, decodes, monkeypatch, repository):
    for name in ('MOON_DATA', 'MOON_MULTICLASS_DATA', 'TINY_IMAGENET'):
        monkeypatch.setenv(name, str(moon))
    for name in ('multiclass/unet_r34', 'classifier_14_classes', 'unet_baseline'):
        cfg = Config.fromfile(repository / f'configs/{name}.py')
        for part in ('train', 'val', 'test'):
            assert cfg[f'{part}_dataloader'].dataset.cache == 'ram'
    init_default_scope('mmseg')
    assert decodes(lambda: Runner.build_dataloader(cfg.val_dataloader)) > 0
    # one pass gains nothing
    once = without_cache(cfg.val_dataloader)
    assert decodes(lambda: Runner.build_dataloader(once)) == 0
    assert cfg.val_dataloader.dataset.cache == 'ram' and 'cache' not in once['dataset']
    repeated = dict(type='RepeatDataset', times=2, dataset=cfg.val_dataloader.dataset)
    assert 'cache' not in without_cache(repeated)['dataset']


@pytest.mark.parametrize(
    ('pipeline', 'change', 'words'),
    [
        ((dict(LOAD[0], to_float32=True), LOAD[1], PACK), {}, 'img .* float32.*anew in each epoch'),
        ((dict(type='RandomFlip', prob=0.0), *LOAD, PACK), {}, 'RandomFlip .*first.*anew in each'),
        (PIPELINE, dict(get_worker_info=lambda: 'a worker'), r'full_init\(\)'),
        (PIPELINE, dict(_decode_all='a file that changes'), 'changed while they were read'),
        (PIPELINE, dict(available_memory=lambda: 1000), "'ram' needs .* MB more, and 0 MB .* anew"),
    ],
)
def test_what_cannot_be_kept_is_decoded_each_time(moon, said, monkeypatch, pipeline, change, words):
    real = cache._decode_all
    for name, value in change.items():
        if name == '_decode_all':
            value = lambda *given: (real(*given), touch(moon))[0]  # noqa: E731
        monkeypatch.setattr(cache, name, value)
    dataset = filled(moon, pipeline)
    assert dataset._decoded is None and len(all_of(dataset)) == 10
    assert len(said) == 1 and re.search(words, said[0])


def rewrite(moon) -> None:
    """Other pixels in a file of the same size, with the old date."""
    path = moon / 'images' / 'render' / 'render0002.png'
    stat = path.stat()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(path, compress_level=0)
    with path.open('r+b') as file:
        file.truncate(max(stat.st_size, path.stat().st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def touch(moon) -> None:
    os.utime(moon / 'images' / 'ground' / 'ground0002.png')


@pytest.mark.parametrize('change', [rewrite, touch])
def test_changed_files_are_decoded_again(moon, decodes, change):
    dataset = filled(moon)
    change(moon)
    # a run goes on as it began, and looks again when it is told to
    assert decodes(lambda: all_of(dataset)) == 0
    assert decodes(dataset.full_init) == 20
    assert all_of(dataset) == all_of(built(moon))


def test_copies_of_processes_that_cannot_share_count(monkeypatch):
    monkeypatch.setattr(cache, 'available_memory', lambda: 1000)
    monkeypatch.setattr(cache, 'get_world_size', lambda: 3)
    cache._require_memory(300)
    # three that cannot take 900 bytes; a fifth is for the rest
    monkeypatch.setattr(cache, '_machine', lambda: None)
    with pytest.raises(cache.NotCacheableError):
        cache._require_memory(300)


fork = multiprocessing.get_context('fork')


def test_workers_decode_nothing(moon):
    plain, dataset = [built(moon)[i] for i in range(10)], filled(moon)
    # they have no file either
    shutil.rmtree(moon)
    sampler = dict(type='DefaultSampler', shuffle=False)
    settings = dict(batch_size=4, num_workers=2, persistent_workers=True, sampler=sampler)
    loader = Runner.build_dataloader(dict(settings, dataset=dataset))
    for _ in range(2):
        batches = list(loader)
        assert [len(batch['inputs']) for batch in batches] == [4, 4, 2]
        for name in ('inputs', 'data_samples'):
            found = [content(part) for batch in batches for part in batch[name]]
            assert found == [content(sample[name]) for sample in plain]


def inode(dataset) -> int | None:
    return dataset._decoded and os.fstat(dataset._decoded._file.fileno()).st_ino


@contextmanager
def children(count, act):
    """Processes that each have a pipe to this one."""
    pipes = [fork.Pipe() for _ in range(count)]
    started = [fork.Process(target=act, args=(i, p[1])) for i, p in enumerate(pipes)]
    for process in started:
        process.start()
    yield [ours for ours, _ in pipes]
    for process in started:
        process.join(60)
        assert process.exitcode == 0


def test_a_process_that_is_sent_them_maps_the_same_memory(moon, decodes):
    def read(index, pipe) -> None:
        dataset = pickle.loads(pipe.recv_bytes())
        samples = []
        count = decodes(lambda: samples.extend(all_of(dataset)))
        pipe.send((count, inode(dataset), samples))

    # it starts before there is anything to inherit
    with children(1, read) as (pipe,):
        dataset = filled(moon)
        pickled = pickle.dumps(dataset)
        pipe.send_bytes(pickled)
        assert pipe.poll(60)
        assert pipe.recv() == (0, inode(dataset), all_of(dataset))
    fd = dataset._decoded._file.fileno()
    del dataset
    assert pickle.loads(pickled)._decoded is None, 'the file is gone'
    other = filled(moon, indices=[3])
    os.dup2(other._decoded._file.fileno(), fd)
    assert pickle.loads(pickled)._decoded is None, 'another has its number'


@pytest.mark.parametrize(('case', 'counts'), [('shared', [0, 20]), ('hidden', [20, 20]), ('full', None)])
def test_processes_of_a_machine_share_one_copy(moon, decodes, monkeypatch, tmp_path, case, counts):
    if case == 'hidden':
        monkeypatch.setattr(cache, '_machine', lambda: None)
    if case == 'full':
        monkeypatch.setattr(cache, 'available_memory', lambda: 1000)

    def run(rank, pipe) -> None:
        where = f'file://{tmp_path}/meet'
        dist.init_process_group('gloo', init_method=where, rank=rank, world_size=2)
        # each builds what the other does not, and no one waits
        alone = filled(moon, indices=[rank])
        dataset = built(moon, cache='ram')
        count = decodes(dataset.full_init)
        assert alone._decoded is None or inode(alone) != inode(dataset)
        pipe.send((count, inode(dataset), all_of(dataset)))
        pipe.recv()
        dist.destroy_process_group()

    with children(2, run) as pipes:
        assert all(pipe.poll(60) for pipe in pipes)
        answers = [pipe.recv() for pipe in pipes]
        for pipe in pipes:
            pipe.send('end')
    assert [samples for *_, samples in answers] == [all_of(built(moon))] * 2
    inodes = [found for _, found, _ in answers]
    assert (inodes == [None, None]) == (case == 'full')
    if case != 'full':
        assert sorted(count for count, *_ in answers) == counts
        assert (inodes[0] == inodes[1]) == (case == 'shared')

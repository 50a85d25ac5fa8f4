"""Decoded samples and several processes: one copy on a machine, and no file that stays."""

import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
from contextlib import contextmanager

import pytest
import torch.distributed as dist
from mmengine.runner import Runner
from pair_sets import all_of, built, content, filled

from custom_modules.datasets import cache

fork = multiprocessing.get_context('fork')


@pytest.mark.parametrize('in_memory', [True, False])
def test_a_killed_run_leaves_no_file(moon, tmp_path, monkeypatch, in_memory):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    if not in_memory:
        monkeypatch.delattr(os, 'memfd_create', raising=False)

    def fill_and_die() -> None:
        assert filled(moon)._decoded
        os.kill(os.getpid(), signal.SIGKILL)

    process = fork.Process(target=fill_and_die)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ['moon']
    shared = os.listdir('/dev/shm') if os.path.isdir('/dev/shm') else []
    assert not [name for name in shared if 'decoded' in name]


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


@pytest.mark.parametrize(
    ('case', 'counts'), [('shared', [0, 20]), ('hidden', [20, 20]), ('full', None)]
)
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

import contextlib
import os
import time

import pytest
import torch
from conftest import REPOSITORY

from custom_modules.engine import devices
from custom_modules.engine.config import load_config
from custom_modules.utils import machine
from custom_modules.utils.machine import LoggedProcess

GIB = 2**30


def test_cores_and_memory_are_what_the_container_leaves(monkeypatch, tmp_path):
    def found(**contents):
        for name, content in contents.items():
            (tmp_path / name).write_text(f'{content}\n')
        return machine.available_cores(), machine.available_memory()

    (tmp_path / 'cpu').mkdir(), (tmp_path / 'memory').mkdir()
    monkeypatch.setattr(machine, 'MEMINFO', tmp_path / 'meminfo')
    monkeypatch.setattr(machine, 'CGROUP', tmp_path)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: range(8), raising=False)
    assert found() == (8, None)
    assert found(meminfo='MemTotal: 99 kB\nMemAvailable: 8388608 kB') == (8, 8 * GIB)
    cpu, memory = 'cpu/cpu.cfs_{}_us'.format, 'memory/memory.{}'.format
    limit, most = memory('limit_in_bytes'), {cpu('quota'): 150000, cpu('period'): 100000}
    assert found(**most, **{limit: 2 * GIB, memory('usage_in_bytes'): 7 * GIB // 4}) == (2, GIB // 4)
    assert found(**{memory('stat'): f'inactive_file 0\ntotal_inactive_file {GIB}'}) == (2, 5 * GIB // 4)
    assert found(**{cpu('quota'): -1, limit: 2**63 - 4096}) == (8, 8 * GIB)
    used = {'memory.current': 3 * GIB // 4, 'memory.stat': f'anon 1\ninactive_file {GIB // 2}'}
    assert found(**used, **{'cpu.max': '50000 100000', 'memory.max': GIB}) == (1, 3 * GIB // 4)
    assert found(**{'cpu.max': 'max 100000', 'memory.max': 'max'}) == (8, 8 * GIB)


def test_a_container_gets_no_more_threads_than_cores(monkeypatch):
    chosen = []
    monkeypatch.setattr(devices, 'available_cores', lambda: 2)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 64)
    monkeypatch.setattr(torch, 'set_num_threads', chosen.append)
    for given in '16', '':
        monkeypatch.setenv('OMP_NUM_THREADS', given) if given else monkeypatch.delenv('OMP_NUM_THREADS')
        load_config(REPOSITORY / 'configs/unet_baseline.py')
    assert chosen == [2]


def test_a_process_calls_functions_until_one_takes_too_long(tmp_path):
    with contextlib.closing(LoggedProcess(tmp_path / 'log', ['string'], 1)) as process:
        there = process.call(os.getpid)
        assert there not in (os.getpid(), None) and process.call(os.getpid) == there
        with pytest.raises(ValueError, match='no number'):
            process.call(int, 'no number')
        process.call(os.write, 1, b'said there')
        assert 'said there' in (tmp_path / 'log').read_text()
        with pytest.raises(TimeoutError, match='not done within 0 s'):
            process.call(time.sleep, 60, seconds=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(there, 0)

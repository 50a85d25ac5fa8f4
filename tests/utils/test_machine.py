import contextlib
import os
import time

import pytest

from custom_modules.utils import machine
from custom_modules.utils.machine import LoggedProcess

GIB = 2**30


def test_memory_is_what_the_container_leaves(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, 'MEMINFO', tmp_path / 'meminfo')
    monkeypatch.setattr(machine, 'CGROUP', tmp_path)
    assert machine.available_memory() is None
    (tmp_path / 'meminfo').write_text('MemTotal: 99 kB\nMemAvailable: 8388608 kB\n')
    assert machine.available_memory() == 8 * GIB
    (tmp_path / 'memory.max').write_text(f'{GIB}\n')
    (tmp_path / 'memory.current').write_text(f'{3 * GIB // 4}\n')
    assert machine.available_memory() == GIB // 4
    # no limit
    (tmp_path / 'memory.max').write_text('max\n')
    assert machine.available_memory() == 8 * GIB


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

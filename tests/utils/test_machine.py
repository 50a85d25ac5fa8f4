from custom_modules.utils import machine

GIB = 2**30


def test_memory_is_what_the_container_leaves(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, 'MEMINFO', tmp_path / 'meminfo')
    monkeypatch.setattr(machine, 'CGROUP', tmp_path)
    assert machine.available_memory() is None
    (tmp_path / 'meminfo').write_text('MemTotal: 99 kB\nMemAvailable: 8388608 kB\n')
    assert machine.available_memory() == 8 * GIB
    # control groups version 1, and before it version 2
    (tmp_path / 'memory').mkdir()
    (tmp_path / 'memory/memory.limit_in_bytes').write_text(f'{2 * GIB}\n')
    (tmp_path / 'memory/memory.usage_in_bytes').write_text(f'{3 * GIB // 2}\n')
    assert machine.available_memory() == GIB // 2
    (tmp_path / 'memory.max').write_text(f'{GIB}\n')
    (tmp_path / 'memory.current').write_text(f'{3 * GIB // 4}\n')
    assert machine.available_memory() == GIB // 4
    # no limit
    (tmp_path / 'memory.max').write_text('max\n')
    (tmp_path / 'memory' / 'memory.limit_in_bytes').unlink()
    assert machine.available_memory() == 8 * GIB

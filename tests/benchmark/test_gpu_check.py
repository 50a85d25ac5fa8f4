"""The check for GPU machines: the rows by importance, and one that fails ends nothing."""

import json
import threading

import pytest

from custom_modules.benchmark import gpu_check
from custom_modules.benchmark.gpu_check import GpuCheck, Row, deviation, markdown, planned_rows
from custom_modules.benchmark.measuring import ContestantProcess


def test_the_most_important_rows_come_first():
    rows = planned_rows(64, 256)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert names[:4] == [
        'unet_baseline 64: project bfloat16, augmented on the device',
        'unet_baseline 64: stock float32',
        'unet_baseline 64: bare loop bfloat16',
        'unet_baseline 64: stock own AMP',
    ]
    assert {(row.config, row.batch) for row in rows if row.how == 'compiled'} == {
        (config, batch)
        for config in ('unet_baseline', 'unet_backbone_frozen', 'classifier')
        for batch in (64, 256)
    }


def test_a_row_that_fails_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(ContestantProcess, 'start', staticmethod(threading.Thread))

    def fail(*_):
        raise KeyError('stock')

    monkeypatch.setattr(gpu_check, 'stock_config', fail)
    # set for the rest of the session else
    for name in ('MOON_DATA', 'TINY_IMAGENET'):
        monkeypatch.setenv(name, 'nowhere')
    only = ['unet_baseline 4: stock own AMP', 'unet_baseline 4: project bfloat16, aug']
    check = GpuCheck(tmp_path / 'out', 5, 'cpu', small=True, only=only)
    text = check.run()
    rows = json.loads((tmp_path / 'out' / 'gpu_check.json').read_text())['rows']
    project, stock = (row['result'] for row in rows)
    assert stock == dict(error="KeyError: 'stock'") and "KeyError: 'stock'" in text
    assert project['rounds'][0]['images']['training'] == 12 and project['split']['split_ms']
    assert (tmp_path / 'out' / 'gpu_check.md').read_text() == text
    assert not check.folder.exists()


def test_rows_without_time_are_named(tmp_path):
    check = GpuCheck(tmp_path / 'out', 0.1, 'cpu', small=True, only=['unet_baseline 4: stock'])
    check.folder, check.machine = tmp_path, {}
    check._write = lambda: None
    check._run_rows()
    assert all(row.result == dict(dropped='no time was left') for row in check.rows)
    assert 'unet_baseline 4: stock float32; ' in markdown(check.rows, '')


def test_ratios_are_of_rows_of_one_batch_size():
    def row(who: str, seconds: float, batch: int = 4) -> Row:
        times = dict(training=seconds, epoch=2 * seconds)
        done = dict(seconds=times, images=dict(training=12, epoch=12), iteration_ms=4.0)
        done |= dict(split_ms=dict(data=1.0), memory_mib=dict(gpu=None))
        how = 'float32' if who == 'stock' else 'amp'
        return Row('unet_baseline', who, how, batch, result=dict(rounds=[done]))

    text = markdown(
        [row('project', 1), row('stock', 8), row('bare loop', 0.5), row('stock', 3, 8)], ''
    )
    line = next(x for x in text.splitlines() if 'unet_baseline 4: project' in x and '8.00' in x)
    assert [cell.strip() for cell in line.split('|')[2:-1]] == ['8.00', '-', '0.50']
    assert '|              12.00 |         6.00 |              25.00 |' in text


def test_deviation_is_of_all_tensors(tmp_path):
    import torch

    for name, value in (('a', 1.0), ('b', 1.5)):
        (tmp_path / name).mkdir()
        weights = dict(first=torch.ones(3), second=torch.full((2,), value))
        torch.save(dict(state_dict=weights), tmp_path / name / 'epoch_4.pth')
    assert deviation(tmp_path / 'a', tmp_path / 'a') == 'bit-identical'
    assert deviation(tmp_path / 'a', tmp_path / 'b') == 'largest deviation of a weight 0.5'


def test_help_needs_no_torch(tool, capsys):
    assert tool('gpu_check.py', '--help') == 0
    assert '--minutes' in capsys.readouterr().out
    with pytest.raises(AssertionError):
        assert tool('gpu_check.py', '--device', 'tpu') == 0

"""The check for GPU machines: the rows by importance, and one that fails ends nothing."""

import functools
import json
from concurrent.futures import ThreadPoolExecutor

from custom_modules.benchmark import training
from custom_modules.benchmark.training import PARTS
from custom_modules.gpu_check.check import GpuCheck, Row, markdown
from custom_modules.utils.machine import LoggedProcess


def test_a_row_that_fails_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(LoggedProcess, 'pool', functools.partial(ThreadPoolExecutor, 1))

    def fail(*_):
        raise KeyError('stock')

    monkeypatch.setattr(training, 'stock_config', fail)
    # set for the rest of the session else
    for name in ('MOON_DATA', 'TINY_IMAGENET'):
        monkeypatch.setenv(name, 'nowhere')
    only = ['unet_baseline 4: stock own AMP', 'unet_baseline 4: project bfloat16, aug']
    check = GpuCheck(tmp_path / 'out', 5, 'cpu', small=True, only=only)
    text = check.run()
    rows = json.loads((tmp_path / 'out' / 'gpu_check.json').read_text())['rows']
    project, stock = (row['result'] for row in rows)
    assert "KeyError: 'stock'" in stock['error'] and "KeyError: 'stock'" in text
    assert project['rounds'][0]['images']['training'] == 12 and project['rounds'][0]['warm_up']
    assert (tmp_path / 'out' / 'gpu_check.md').read_text() == text
    assert not check.folder.exists()


def test_a_row_that_broke_off_does_not_count(tmp_path):
    class Late:
        def call(self, function, *given, seconds):
            if not given:
                raise TimeoutError
            return {}

        def close(self, wait: bool) -> None:
            pass

    row = Row('unet_baseline', 'stock', 'float32', 4)
    check = GpuCheck(tmp_path / 'out', 1, 'cpu', small=True)
    check._contestant = lambda row: 'one'
    check.processes = {('stock', 'segmentation'): Late()}
    assert check._measured(row) == dict(dropped='no time was left') and not check.processes
    # one that takes too long by itself is told
    check.end, check.processes = check.end + 1000, {('stock', 'segmentation'): Late()}
    assert 'TimeoutError' in check._measured(row)['error']


def test_ratios_are_of_rows_of_one_batch_size():
    def row(who: str, seconds: float, batch: int = 4) -> tuple[Row, dict]:
        times = dict(training=seconds, epoch=2 * seconds)
        done = dict(seconds=times, images=dict(training=12, epoch=12), iteration_ms=4.0)
        done |= dict(split_ms=dict.fromkeys(PARTS, 1.0), memory_mib=dict(main=1.0, gpu=None))
        rounds = [done | dict(warm_up=False)] * 2
        facts = dict(title='', precision='float32', parameters=1, gmac=1.0, device='cpu')
        return Row('unet_baseline', who, 'float32', batch), facts | dict(rounds=rounds)

    text = markdown(dict([row('project', 1), row('stock', 8), row('stock', 3, 8)]), '')
    lines = [[cell.strip() for cell in x.split('|')[2:-1]] for x in text.splitlines()]
    # of batch 4 stock takes 8 times as long; of batch 8 there is nobody else
    found = [cells[-2:] for cells in lines if cells[:1] == ['training']]
    assert found == [['12.00', '1.00'], ['1.50', '8.00'], ['4.00', '1.00']]

"""The check for GPU machines: the rows by importance, and one that fails ends nothing."""

import functools
import json
from concurrent.futures import ThreadPoolExecutor

from custom_modules.benchmark import gpu_check
from custom_modules.benchmark.gpu_check import GpuCheck, Row, markdown, planned_rows
from custom_modules.benchmark.measuring import PARTS, ContestantProcess


def test_the_most_important_rows_come_first():
    rows = planned_rows(64, 256)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert names[0] == 'unet_baseline 64: project bfloat16, augmented on the device'
    assert [(row.who, row.how) for row in rows[1:3]] == [('stock', 'float32'), ('bare loop', 'amp')]
    assert {(row.config, row.batch) for row in rows if row.how == 'compiled'} == {
        (config, batch)
        for config in ('unet_baseline', 'unet_backbone_frozen', 'classifier')
        for batch in (64, 256)
    }


def test_rows_on_the_device_have_whole_batches(tmp_path, repository):
    check = GpuCheck(tmp_path, 5, 'cpu')
    for row in check.rows[:2]:
        loader = check._config(row).train_dataloader
        whole = loader.dataset.cache == 'batches' and loader.num_workers == 0
        assert whole == row.on_device == (row.who == 'project')


def test_a_row_that_fails_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(ContestantProcess, 'pool', functools.partial(ThreadPoolExecutor, 1))

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
    assert "KeyError: 'stock'" in stock['error'] and "KeyError: 'stock'" in text
    assert project['rounds'][0]['images']['training'] == 12 and project['rounds'][-1]['split']
    assert (tmp_path / 'out' / 'gpu_check.md').read_text() == text
    assert not check.folder.exists()


def test_rows_without_time_are_named(tmp_path):
    check = GpuCheck(tmp_path / 'out', 0.1, 'cpu', small=True, only=['unet_baseline 4: stock'])
    for number in range(len(check.rows)):
        check._run_row(number)
    assert all(row.result == dict(dropped='no time was left') for row in check.rows)
    assert 'unet_baseline 4: stock float32; ' in markdown(check.rows, '')


def test_a_row_that_broke_off_does_not_count(tmp_path):
    class Late:
        def ask(self, command, seconds):
            if command == 'time':
                raise TimeoutError
            return {}

        def close(self, wait: bool) -> None:
            pass

    row = Row('unet_baseline', 'stock', 'float32', 4)
    check = GpuCheck(tmp_path / 'out', 1, 'cpu', small=True)
    check._contestant = lambda row: 'one'
    check.processes = {row.process: Late()}
    assert check._measured(row) == dict(dropped='no time was left') and not check.processes
    # one that takes too long by itself is told
    check.end, check.processes = check.end + 1000, {row.process: Late()}
    assert 'TimeoutError' in check._measured(row)['error']


def test_ratios_are_of_rows_of_one_batch_size():
    def row(who: str, seconds: float, batch: int = 4) -> Row:
        times = dict(training=seconds, epoch=2 * seconds)
        done = dict(seconds=times, images=dict(training=12, epoch=12), iteration_ms=4.0)
        done |= dict(split_ms=dict.fromkeys(PARTS, 1.0), memory_mib=dict(main=1.0, gpu=None))
        rounds = [done | dict(warm_up=False, split=split) for split in (False, True)]
        facts = dict(title='', precision='float32', parameters=1, gmac=1.0)
        return Row('unet_baseline', who, 'float32', batch, result=facts | dict(rounds=rounds))

    text = markdown([row('project', 1), row('stock', 8), row('stock', 3, 8)], '')
    lines = [[cell.strip() for cell in x.split('|')[2:-1]] for x in text.splitlines()]
    # of batch 4 stock takes 8 times as long; of batch 8 there is nobody else
    found = [cells[-2:] for cells in lines if cells[:1] == ['training']]
    assert found == [['12.00', '1.00'], ['1.50', '8.00'], ['4.00', '1.00']]

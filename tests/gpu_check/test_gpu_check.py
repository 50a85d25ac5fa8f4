"""The check for GPU machines: the rows by importance; what fails, differs or takes too long is told, and ends nothing."""

import functools
import json
import re
from concurrent.futures import ThreadPoolExecutor

import torch

from custom_modules.benchmark import training
from custom_modules.gpu_check import repeatability
from custom_modules.gpu_check.check import GpuCheck, Row, markdown
from custom_modules.gpu_check.repeatability import check_repeatability
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
    project, stock = (row['result'] for row in json.loads((tmp_path / 'out' / 'gpu_check.json').read_text())['rows'])
    assert "KeyError: 'stock'" in stock['error'] and "KeyError: 'stock'" in text
    assert project['rounds'][0]['images']['training'] == 12 and project['rounds'][0]['warm_up']
    assert (tmp_path / 'out' / 'gpu_check.md').read_text() == text
    assert not check.folder.exists()


def test_medians_and_ratios_are_of_counted_rounds_of_one_batch_size():
    def row(who: str, *seconds: float, batch: int = 4) -> tuple[Row, dict]:
        done = dict(images=dict(training=12), memory_mib=dict(main=1.0, gpu=None))
        rounds = [dict(done, seconds=dict(training=s), warm_up=s == 99) for s in (99, *seconds)]
        facts = dict(title='', precision='float32', parameters=1, gmac=1.0, device='cpu')
        return Row('unet_baseline', who, 'float32', batch), dict(facts, rounds=rounds)

    text = markdown(dict([row('project', 1, 2, 9), row('stock', 3, 16, 17), row('stock', 3, batch=8)]), '')
    rows = re.findall(r'\| training *\| (.*) \|', re.sub(' +', ' ', text))
    # of batch 4 stock takes 8 times as long; of batch 8 there is nobody else
    assert rows == ['2 | 1.5 to 5.5 | 6.00 | 1.00', '16 | 9.5 to 16.5 | 0.75 | 8.00', '3 | 3 to 3 | 4.00 | 1.00']


# writes four epochs slowly, and goes on from those that are there
TRAIN = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
assert ('pytorch' in sys.argv) == ('RANK' in os.environ)
if os.environ.get('RANK') == '1':
    sys.exit('no second process here')
folder.mkdir(parents=True, exist_ok=True)
for epoch in range(1, 5):
    target = folder / f'epoch_{epoch}.pth'
    if not target.exists():
        time.sleep(0.2)
        target.write_text('0.5' + '1' * (folder.name == 'twin'))
"""


def test_what_differs_fails_or_takes_too_long_is_told(tmp_path, monkeypatch):
    tool = tmp_path / 'tools' / 'train.py'
    tool.parent.mkdir()
    tool.write_text(TRAIN)
    monkeypatch.setattr(repeatability, 'REPOSITORY', tmp_path)
    monkeypatch.setattr(repeatability, 'read_weights', lambda path: dict(a=torch.tensor(float(path.read_text()))))
    found = check_repeatability('config.py', tmp_path / 'runs', ['a=1'], {}, 60)
    assert found['one seed twice'] == 'largest deviation of a weight 0.01'
    assert found['killed and resumed'] == 'bit-identical'
    assert found['two ranks on one GPU'] == 'failed: no second process here'
    # it was started twice
    assert (tmp_path / 'runs' / 'killed.log').read_text().count('tools/train.py') == 2
    assert set(check_repeatability('config.py', tmp_path / 'late', ['a=1'], {}, 0).values()) == {'failed: no time was left'}
    assert not list(tmp_path.glob('late/*/epoch_4.pth'))

"""The check of repeatability: what differs, fails or takes too long is told, and the rest goes on."""

from pathlib import Path

import pytest
import torch

from custom_modules.gpu_check import repeatability
from custom_modules.gpu_check.repeatability import check_repeatability

# writes four epochs slowly, and goes on from those that are there; its "weights" are what a variable says
TRAIN = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
assert '--resume' in sys.argv and 'train_cfg.max_epochs=4' in sys.argv and sys.argv[-1] == 'a=1'
assert ('pytorch' in sys.argv) == ('RANK' in os.environ)
if os.environ.get('RANK') == '1':
    sys.exit('no second process here')
folder.mkdir(parents=True, exist_ok=True)
for epoch in range(1, 5):
    target = folder / f'epoch_{epoch}.pth'
    if not target.exists():
        time.sleep(0.2)
        target.write_text(os.environ['WEIGHT'] + '1' * (folder.name == 'twin'))
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    tool = tmp_path / 'tools' / 'train.py'
    tool.parent.mkdir()
    tool.write_text(TRAIN)
    monkeypatch.setattr(repeatability, 'REPOSITORY', tmp_path)

    def read(path: Path) -> dict:
        return dict(weight=torch.tensor(float(path.read_text())))

    monkeypatch.setattr(repeatability, 'read_weights', read)
    variables = dict(WEIGHT='0.5')
    return lambda seconds: check_repeatability('config.py', tmp_path / 'runs', ['a=1'], variables, seconds)


def test_what_differs_and_what_fails_is_told(fake, tmp_path):
    found = fake(60)
    assert found['one seed twice'] == 'largest deviation of a weight 0.01'
    assert found['killed and resumed'] == 'bit-identical'
    assert found['two ranks on one GPU'] == 'failed: no second process here'
    # it was started twice
    assert (tmp_path / 'runs' / 'killed.log').read_text().count('tools/train.py') == 2


def test_what_takes_too_long_is_ended(fake, tmp_path):
    assert set(fake(0).values()) == {'failed: no time was left'}
    assert not list((tmp_path / 'runs').glob('*/epoch_4.pth'))

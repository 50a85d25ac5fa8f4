"""Every tool answers at once, and says what a user can mend in one line, with nothing of others before it."""

import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY

TOOLS = sorted(path.name for path in (REPOSITORY / 'tools').glob('*.py'))
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'pandas', 'matplotlib'}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command], cwd=REPOSITORY, env=os.environ | variables, capture_output=True, text=True
    )


@pytest.mark.parametrize('name', [name for name in TOOLS if name != 'arguments.py'])
def test_help_imports_nothing_heavy(name):
    done = run('-X', 'importtime', f'tools/{name}', '--help')
    assert done.returncode == 0 and done.stdout.startswith('usage: ')
    imported = {line.split('|')[-1].strip().split('.')[0] for line in done.stderr.splitlines()}
    assert 'argparse' in imported and not imported & HEAVY
    # not a word but the imports
    assert all(line.startswith('import time:') for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    'command',
    [
        ('train.py', 'configs/unet_baseline.py'),
        ('train.py', 'configs/classifier.py'),
        ('benchmark.py', 'train', 'configs/unet_baseline.py'),
    ],
    ids=' '.join,
)
def test_an_error_is_one_line(command, tmp_path):
    name, *arguments = command
    where = dict(MOON_DATA=str(tmp_path / 'moon'), TINY_IMAGENET=str(tmp_path / 'tiny'))
    flag = '--work-dir' if name == 'train.py' else '--out'
    done = run(f'tools/{name}', *arguments, flag, str(tmp_path / 'out'), **where)
    assert done.returncode == 2 and done.stdout == ''
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ') and 'there is no such folder' in line

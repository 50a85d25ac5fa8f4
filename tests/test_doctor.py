"""The doctor finds what was planted, says what to do, and runs where little is installed."""

import importlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import REPOSITORY

from custom_modules import doctor

PIP = f'{sys.executable} -m pip'
INSTALL = f'{PIP} install -r requirements.txt -c constraints.txt'


def plant(site: Path, name: str, version: str, package: str, top=True):
    """A distribution as pip leaves it, with a package that holds nothing."""
    info = site / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    (info / 'RECORD').write_text(f'{package}/__init__.py,sha256=x,0\n')
    if top:
        (info / 'top_level.txt').write_text(f'{package}\n')
    (site / package).mkdir(exist_ok=True)
    (site / package / '__init__.py').touch()


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """The only folder with distributions on the path."""
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *(path for path in sys.path if 'site-packages' not in path)])
    importlib.invalidate_caches()
    return tmp_path


def test_requirements(site):
    file = site / 'requirements.txt'
    file.write_text('# x\n-r y\ntorch>=2.14,<3\nonedl-mmcv>=2.3.6,<2.4  # c\nnumpy>=2\nrich>=13\n')
    plant(site, 'torch', '2.13.1', 'torch')
    plant(site, 'mmcv-lite', '2.1.0', 'mmcv')
    plant(site, 'numpy', '2.4.6+cpu', 'numpy')
    missing, low, stand_in, good = doctor.check_requirements(file)
    assert [each.level for each in (missing, low, stand_in, good)] == ['problem', 'problem', 'warning', 'ok']
    assert missing.text.endswith('not installed: rich>=13') and missing.remedy == low.remedy == INSTALL
    assert low.text == 'torch 2.13.1 is out of its range: requirements.txt asks for torch>=2.14,<3'
    assert f'{PIP} uninstall -y mmcv-lite && {INSTALL}' in stand_in.remedy
    assert good.text.endswith(': numpy 2.4.6+cpu')


@pytest.mark.parametrize(
    ('package', 'distributions', 'level'),
    [
        ('mmengine', ('mmengine 1', 'onedl-mmengine 1'), 'problem'),
        ('cv2', ('opencv-python 5', 'opencv-python-headless 5'), 'warning'),
        ('cv2', ('opencv-python 5', 'opencv-python-headless 4'), 'problem'),
        # shared on purpose
        ('google', ('protobuf 1', 'google-auth 2'), 'ok'),
    ],
)
@pytest.mark.parametrize('top', [True, False])
def test_two_owners(site, package, distributions, level, top):
    for each in distributions:
        plant(site, *each.split(), package, top=top)
    (found,) = doctor.check_owners(doctor.package_owners())
    assert found.level == level
    names = {each.split()[0] for each in distributions} if level != 'ok' else set()
    assert names == set(found.remedy.removesuffix(f' && {INSTALL}').removeprefix(f'{PIP} uninstall -y ').split())


def test_tool_runs_where_little_is_installed_and_that_is_broken(tmp_path):
    venv.create(tmp_path / 'env', with_pip=False)
    (folder,) = (tmp_path / 'env').glob('lib/python*/site-packages')
    plant(folder, 'torch', '2.15.0', 'torch')
    (folder / 'torch' / '__init__.py').write_text('import os\nos.abort()\n')
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PYTHON', 'MOON', 'TINY'))}
    command = [tmp_path / 'env' / 'bin' / 'python', REPOSITORY / 'tools' / 'doctor.py']
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60)
    assert done.returncode == 1 and done.stderr == ''
    assert 'packages of requirements.txt are not installed: torchvision>=' in done.stdout
    assert 'problem  torch cannot be imported: the process died with SIGABRT' in done.stdout
    # no package is reported twice
    assert done.stdout.splitlines()[-1].startswith('2 problems: ')


def test_a_slow_machine_is_no_broken_package(monkeypatch):
    monkeypatch.setattr(doctor, 'PATIENCE', 3)
    sleep = 'import time; time.sleep({})'.format
    outcomes = doctor.try_steps(dict(first=sleep(1.6), second=sleep(1.6), third=sleep(60)))
    assert [name for name, outcome in outcomes.items() if 'error' in outcome] == ['third']

"""The doctor finds what was planted, says what to do, and runs where nothing is installed."""

import importlib
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections import namedtuple
from pathlib import Path

import packaging.requirements  # noqa: F401  (as long as the path leads to it)
import pytest
from conftest import REPOSITORY

from custom_modules.diagnosis import check_machine as machine
from custom_modules.diagnosis import diagnose as whole
from custom_modules.diagnosis.check_devices import check_devices
from custom_modules.diagnosis.check_environment import check_environment
from custom_modules.diagnosis.check_folder import check_folder
from custom_modules.diagnosis.check_imports import CODE, NEEDS, check_imports, import_steps
from custom_modules.diagnosis.check_owners import IMPORTED, check_owners
from custom_modules.diagnosis.check_requirements import check_requirements
from custom_modules.diagnosis.check_torch_pair import check_torch_pair
from custom_modules.diagnosis.finding import Finding
from custom_modules.diagnosis.package_owners import package_owners
from custom_modules.diagnosis.try_steps import try_steps
from custom_modules.diagnosis.verdict import verdict
from custom_modules.utils import machine as memory

PIP = f'{sys.executable} -m pip'


def plant(
    site: Path, name: str, version: str, *packages: str, requires=(), build='', top_level=True
) -> None:
    """A distribution as pip leaves it, with packages that hold nothing."""
    info = site / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir(parents=True)
    lines = [f'Name: {name}', f'Version: {version}', *(f'Requires-Dist: {x}' for x in requires)]
    (info / 'METADATA').write_text('Metadata-Version: 2.1\n' + '\n'.join(lines) + '\n')
    (info / 'RECORD').write_text(''.join(f'{p}/__init__.py,sha256=x,0\n' for p in packages))
    if top_level:
        (info / 'top_level.txt').write_text('\n'.join(packages) + '\n')
    for package in packages:
        (site / package).mkdir(exist_ok=True)
        (site / package / '__init__.py').touch()
        if build:
            (site / package / 'version.py').write_text(f"__version__ = '{version}{build}'\n")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """The only folder with distributions on the path."""
    folder = tmp_path / 'site-packages'
    folder.mkdir()
    rest = [path for path in sys.path if 'site-packages' not in path]
    monkeypatch.setattr(sys, 'path', [str(folder), *rest])
    importlib.invalidate_caches()
    return folder


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings]


# --- versions


@pytest.fixture
def requirements(tmp_path) -> Path:
    path = tmp_path / 'requirements.txt'
    path.write_text(
        '# ranges\n-r other.txt\ntorch>=2.14,<3\nonedl-mmcv>=2.3.6,<2.4  # c\nrich>=13\n'
    )
    return path


def test_versions_in_out_of_range_and_missing(site, requirements):
    plant(site, 'torch', '2.13.1', 'torch')
    plant(site, 'onedl-mmcv', '2.3.6', 'mmcv')
    missing, low, good = check_requirements(requirements)
    assert (low.level, missing.level, good.level) == ('problem', 'problem', 'ok')
    assert low.text == 'torch 2.13.1 is out of its range: requirements.txt asks for torch>=2.14,<3'
    assert missing.text == '1 of 3 packages of requirements.txt are not installed: rich>=13'
    assert low.remedy == missing.remedy == f'{PIP} install -r requirements.txt -c constraints.txt'
    assert good.text.startswith('1 of 3') and good.text.endswith(': onedl-mmcv 2.3.6')


def test_a_build_tag_does_not_leave_the_range(site, requirements):
    plant(site, 'torch', '2.14.0+cpu', 'torch')
    assert 'torch 2.14.0+cpu' in check_requirements(requirements)[-1].text


def test_upstream_stands_in_with_a_warning(site, requirements):
    plant(site, 'torch', '2.15.0', 'torch')
    plant(site, 'rich', '15.0', 'rich')
    plant(site, 'mmcv-lite', '2.1.0', 'mmcv')
    stand_in, good = check_requirements(requirements)
    assert stand_in.level == 'warning' and 'mmcv-lite 2.1.0 stands in' in stand_in.text
    assert good.text.startswith('2 of 3')


def test_without_packaging_missing_packages_are_still_found(site, requirements, monkeypatch):
    monkeypatch.setitem(sys.modules, 'packaging.requirements', None)
    plant(site, 'torch', '1.0', 'torch')
    texts = [text for _, text in told(check_requirements(requirements))]
    assert texts[0].endswith('are not installed: onedl-mmcv>=2.3.6,<2.4, rich>=13')
    assert 'versions were not compared' in texts[1] and len(texts) == 2


# --- owners


@pytest.mark.parametrize('top_level', [True, False])
def test_two_owners_are_a_problem(site, top_level):
    plant(site, 'mmengine', '0.10.7', 'mmengine', top_level=top_level)
    plant(site, 'onedl-mmengine', '0.10.12', 'mmengine', top_level=top_level)
    (found,) = check_owners()
    assert found.level == 'problem'
    assert 'mmengine 0.10.7' in found.text and 'onedl-mmengine 0.10.12' in found.text
    assert found.remedy.startswith(f'{PIP} uninstall -y ')
    removed = found.remedy.split(' && ')[0].split(' -y ')[1]
    assert set(removed.split()) == {'mmengine', 'onedl-mmengine'}
    assert found.remedy.endswith(f'{PIP} install -r requirements.txt -c constraints.txt')


@pytest.mark.parametrize(('headless', 'level'), [('5.0.0.93', 'warning'), ('4.12.0', 'problem')])
def test_opencv_twins_of_one_version_only_warn(site, headless, level):
    plant(site, 'opencv-python', '5.0.0.93', 'cv2')
    plant(site, 'opencv-python-headless', headless, 'cv2')
    (found,) = check_owners()
    assert found.level == level and f'opencv-python-headless {headless}' in found.text


def test_names_that_are_shared_on_purpose_are_left_alone(site):
    for name in ('protobuf', 'google-auth'):
        plant(site, name, '1.0', 'google', 'tests', 'docs')
    plant(site, 'torch', '2.15.0', 'torch')
    assert [finding.level for finding in check_owners()] == ['ok']


def test_an_interrupted_upgrade_is_a_problem(site):
    plant(site, 'torch', '2.14.0', 'torch')
    plant(site, 'torch', '2.15.0', 'torch')
    (found,) = check_owners()
    assert found.level == 'problem' and 'listed twice' in found.text
    assert 'uninstall -y torch &&' in found.remedy


def test_a_folder_that_hides_another_is_a_warning(site, tmp_path):
    plant(site, 'onedl-mmseg', '1.4.2', 'mmseg')
    plant(tmp_path / 'upstream', 'mmsegmentation', '1.2.2', 'mmseg')
    # the fixture's list, which it takes away again
    sys.path.insert(0, str(tmp_path / 'upstream'))
    (found,) = check_owners()
    assert found.level == 'warning'
    assert 'mmseg comes from mmsegmentation 1.2.2' in found.text
    assert found.text.endswith(f'hides onedl-mmseg 1.4.2 in {site}')


# --- torch and torchvision


@pytest.mark.parametrize(
    ('torch', 'vision', 'level', 'words'),
    [
        ('+cpu', '+cu132', 'problem', 'one is for cpu, the other for cu132'),
        ('+cu132', '+cu132', 'ok', 'fit each other'),
        ('', '+cu132', 'ok', 'fit each other'),
    ],
)
def test_builds_of_torch_and_torchvision(site, torch, vision, level, words):
    plant(site, 'torch', '2.15.0', 'torch', build=torch)
    plant(site, 'torchvision', '0.29.2', 'torchvision', build=vision, requires=['torch==2.15.0'])
    (found,) = check_torch_pair()
    assert found.level == level and words in found.text
    assert ('uninstall -y torch torchvision' in found.remedy) == (level == 'problem')


def test_torchvision_for_another_torch(site):
    plant(site, 'torch', '2.14.0', 'torch', build='+cpu')
    plant(site, 'torchvision', '0.29.2', 'torchvision', requires=['numpy', 'torch (==2.15.0)'])
    (found,) = check_torch_pair()
    assert found.level == 'problem' and 'built for torch==2.15.0' in found.text


def test_without_torchvision_there_is_no_pair(site):
    plant(site, 'torch', '2.15.0', 'torch')
    assert check_torch_pair() == []


# --- imports


def test_a_crash_an_error_and_a_hang_become_outcomes():
    steps = {
        'prints': 'print("@@ noise"); result = 3',
        'crashes': 'import os; os.abort()',
        'raises': 'raise ImportError("libGL.so.1: no such file\\nmore")',
        'exits': 'import sys; sys.exit(4)',
        'ends': 'import os; os._exit(7)',
    }
    assert try_steps(steps) == {
        'prints': {'result': 3},
        'crashes': {'error': 'the process died with SIGABRT'},
        'raises': {'error': 'ImportError: libGL.so.1: no such file'},
        'exits': {'error': 'SystemExit: 4'},
        'ends': {'error': 'the process died with exit code 7'},
    }
    (slow,) = try_steps({'slow': 'import time; time.sleep(60)'}, seconds=0.3).values()
    assert slow == {'error': 'it did not end within 0.3 s'}


def outcomes(**errors: str) -> dict[str, dict]:
    fine = {package: {'result': None} for package in NEEDS}
    return fine | {package: {'error': error} for package, error in errors.items()}


def test_what_needs_a_broken_package_is_not_reported_again():
    error = 'RuntimeError: operator torchvision::nms does not exist'
    vision = {name: error for name in NEEDS if name.startswith('custom_modules')}
    broken, fine = check_imports(outcomes(torchvision=error) | outcomes_of(vision))
    assert broken.level == 'problem' and broken.text == f'torchvision cannot be imported: {error}'
    assert 'uninstall -y torch torchvision' in broken.remedy
    assert 'mmseg' in fine.text and 'torchvision' not in fine.text


def outcomes_of(errors: dict[str, str]) -> dict[str, dict]:
    return {name: {'error': error} for name, error in errors.items()}


def test_missing_packages_are_reported_once():
    gone = "ModuleNotFoundError: No module named 'torch'"
    needing = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'tensorboard')
    all_gone = outcomes() | outcomes_of(dict.fromkeys(needing, gone))
    assert [f.level for f in check_imports(all_gone, missing={'torch'})] == ['ok']
    # its metadata are there, its files are not
    assert [f.level for f in check_imports(all_gone)] == ['problem', 'ok']


def test_a_missing_library_of_the_system_has_its_own_remedy():
    error = 'ImportError: libGL.so.1: cannot open shared object file'
    assert 'apt-get install libgl1' in check_imports(outcomes(cv2=error))[0].remedy


def asked() -> list[str]:
    """The distributions that this project's requirements name."""
    lines = (REPOSITORY / 'requirements.txt').read_text().splitlines()
    return [re.split('[<>=]', line)[0] for line in lines if line and line[0] != '#']


def test_every_requirement_has_its_import_checked():
    owners = package_owners(IMPORTED)
    names = {re.sub('[-_.]+', '-', o.name).lower() for found in owners.values() for o in found}
    assert set(asked()) <= names


def test_every_needed_package_is_tried_and_nms_is_called():
    assert set(NEEDS) >= set(IMPORTED)
    assert 'torchvision.ops.nms(' in import_steps()['torchvision'] and set(CODE) < set(NEEDS)


# --- devices, machine, folders, variables


def cuda(**values) -> dict:
    default = dict(cuda='13.2', available=False, gpus=[], mps=False, why='')
    return dict(result=default | values)


@pytest.mark.parametrize(
    ('outcome', 'driver', 'level', 'words'),
    [
        (cuda(), False, 'ok', 'training runs on the CPU'),
        (cuda(cuda=None), False, 'ok', 'built for the CPU'),
        (cuda(cuda=None), True, 'warning', 'for the CPU only'),
        (cuda(why='driver too old'), True, 'warning', 'driver too old'),
        (cuda(available=True, gpus=['H200 (139 GiB)']), True, 'ok', 'H200 (139 GiB)'),
        (dict(error='the process died with SIGSEGV'), True, 'problem', 'SIGSEGV'),
    ],
)
def test_devices(outcome, driver, level, words):
    (found,) = check_devices(outcome, driver)
    assert found.level == level and words in found.text


def test_little_memory_is_a_warning(monkeypatch, tmp_path):
    meminfo = tmp_path / 'meminfo'
    monkeypatch.setattr(memory, 'MEMINFO', meminfo)
    monkeypatch.setattr(machine, 'SHARED', tmp_path / 'none')
    monkeypatch.setattr(memory, 'CGROUP', tmp_path / 'cgroup')
    meminfo.write_text('MemTotal: 99 kB\nMemAvailable: 1048576 kB\n')
    (found,) = machine.check_machine()
    assert found.level == 'warning' and 'only 1.0 GiB' in found.text
    meminfo.write_text('MemTotal: 99 kB\nMemAvailable: 8388608 kB\n')
    (found,) = machine.check_machine()
    assert found.level == 'ok' and found.text.endswith('8.0 GiB of memory free')
    # a container with 2 GiB, of which 1.5 are taken, by control groups version 1; by version 2 all but 0.25
    (tmp_path / 'cgroup' / 'memory').mkdir(parents=True)
    for name, value in (
        ('memory/memory.limit_in_bytes', 2 * machine.GIB),
        ('memory/memory.usage_in_bytes', 3 * machine.GIB // 2),
    ):
        (tmp_path / 'cgroup' / name).write_text(f'{value}\n')
    assert 'only 0.5 GiB' in machine.check_machine()[0].text
    (tmp_path / 'cgroup' / 'memory.max').write_text(f'{machine.GIB}\n')
    (tmp_path / 'cgroup' / 'memory.current').write_text(f'{3 * machine.GIB // 4}\n')
    assert 'only 0.2 GiB' in machine.check_machine()[0].text


def test_little_shared_memory_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, 'SHARED', tmp_path)
    usage = namedtuple('usage', 'free')
    monkeypatch.setattr(machine.shutil, 'disk_usage', lambda path: usage(64 * 2**20))
    found = [f for f in machine.check_machine() if 'Bus error' in f.text]
    assert [f.level for f in found] == ['warning'] and '64 MiB' in found[0].text


def test_folders(tmp_path, monkeypatch):
    inside = tmp_path / 'a' / 'b'
    (good,) = check_folder(inside, 'runs', least=1)
    assert good.level == 'ok' and good.text.startswith(f'runs can be written to {inside}, ')
    assert list(tmp_path.iterdir()) == []
    (little,) = check_folder(inside, 'runs', least=2**60)
    assert little.level == 'warning' and 'less than' in little.text
    (tmp_path / 'file').touch()
    (blocked,) = check_folder(tmp_path / 'file' / 'x', 'runs')
    assert blocked.level == 'problem' and f'{tmp_path / "file"} is no folder' in blocked.text

    def read_only(**kwargs):
        raise OSError(30, 'Read-only file system')

    # root may write anywhere, so permissions cannot be taken away from a test
    monkeypatch.setattr(tempfile, 'TemporaryFile', read_only)
    (refused,) = check_folder(tmp_path, 'runs')
    assert refused.level == 'problem' and refused.text.endswith('Read-only file system')


def test_variables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {
        f.text.split('=')[0].split()[0]: f for f in check_environment({'MOON_DATA': '/no/where'})
    }
    assert data['MOON_DATA'].level == 'problem' and 'no such folder' in data['MOON_DATA'].text
    found = check_environment({'MOON_DATA': str(tmp_path), 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '1'})
    assert found[0].level == 'ok' and str(tmp_path) in found[0].text
    assert found[-1].level == 'problem'
    assert found[-1].remedy == 'unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
    assert check_environment({})[-1].level == 'ok'


# --- as a whole


def test_verdicts():
    warning, problem = Finding('warning', 'w'), Finding('problem', 'p')
    assert verdict([warning, warning])[1] == 0 and '2 warnings' in verdict([warning, warning])[0]
    assert verdict([problem, warning]) == ('1 problem: mend it and run this again.', 1)
    assert verdict([problem] * 3)[0].startswith('3 problems: ')


def test_tool_is_ready_where_all_is_well(tool, monkeypatch, capsys, tmp_path):
    """The imports, which take seconds, are taken for granted."""
    monkeypatch.chdir(tmp_path)
    for name in ('MOON_DATA', 'MOON_MULTICLASS_DATA', 'TINY_IMAGENET'):
        monkeypatch.delenv(name, raising=False)
    fine = outcomes() | dict(cuda=cuda())
    monkeypatch.setattr(whole, 'try_steps', lambda steps, *path: {k: fine[k] for k in steps})
    assert tool('doctor.py') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith('Ready') and len(lines) < 40
    assert not any(line.startswith('problem') for line in lines)

    fine['mmcv'] = dict(error='the process died with SIGSEGV')
    assert tool('doctor.py') == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == 'problem  mmcv cannot be imported: the process died with SIGSEGV'
    assert lines[-1] == '1 problem: mend it and run this again.'


def test_tool_runs_where_nothing_or_something_broken_is_installed(tmp_path):
    """In an environment of its own, without a single package."""
    venv.create(tmp_path / 'env', with_pip=False)
    python = tmp_path / 'env' / 'bin' / 'python'
    env = {k: v for k, v in os.environ.items() if not k.startswith(('PYTHON', 'MOON', 'TINY'))}

    def run() -> tuple[int, str]:
        command = [python, REPOSITORY / 'tools' / 'doctor.py']
        done = subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ''
        return done.returncode, done.stdout

    count = len(asked())
    code, said = run()
    # no package is reported twice
    missing = f'problem  {count} of {count} packages of requirements.txt are not installed: torch>='
    assert code == 1 and missing in said
    assert said.count('problem  ') == 1 and said.splitlines()[-1].startswith('1 problem: ')

    (folder,) = (tmp_path / 'env').glob('lib/python*/site-packages')
    plant(folder, 'torch', '2.15.0', 'torch', build='+cpu')
    plant(folder, 'numpy', '2.4.6', 'numpy')
    plant(folder, 'torchvision', '0.29.2', 'torchvision', build='+cu132')
    (folder / 'torch' / '__init__.py').write_text('import os\nos.abort()\n')
    code, said = run()
    assert code == 1 and 'one is for cpu, the other for cu132' in said
    assert 'problem  torch cannot be imported: the process died with SIGABRT' in said
    assert f'{count - 3} of {count} packages' in said
    assert said.splitlines()[-1].startswith('3 problems: ')

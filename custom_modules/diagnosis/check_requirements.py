import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .finding import Finding
from .pip_command import pip_command

# other distributions that bring the same import name
STAND_INS = {
    'onedl-mmengine': ('mmengine',),
    'onedl-mmcv': ('mmcv', 'mmcv-lite'),
    'onedl-mmsegmentation': ('mmsegmentation',),
    'onedl-mmpretrain': ('mmpretrain',),
    'opencv-python': (
        'opencv-contrib-python',
        'opencv-python-headless',
        'opencv-contrib-python-headless',
    ),
}


def check_requirements(file: Path) -> list[Finding]:
    """Compare the installed versions with the ranges of a requirements file.

    Args:
        file (Path): Such as ``requirements.txt``; lines of options (``-r``) are left out.

    Returns:
        list[Finding]: A problem for what is missing or out of its range, a warning for what another distribution
        stands in for, and one line for all that is as it should be.
    """
    lines = (line.split(' #')[0].strip() for line in file.read_text().splitlines())
    lines = [line for line in lines if line and line[0] not in '#-']
    found, good = [], []
    try:
        from packaging.requirements import Requirement
    except ImportError:
        # missing or broken, which is a finding of its own
        text = 'versions were not compared, since the package packaging cannot be imported'
        found.append(Finding('warning', text, pip_command()))
        Requirement = None  # noqa: N806
    missing = []
    for line in lines:
        name = re.match(r'[\w.-]+', line).group()
        asked = f'{file.name} asks for {line}'
        if (installed := _version(name)) is None:
            other = next((o for o in STAND_INS.get(name, ()) if _version(o)), None)
            if other is None:
                missing.append(line)
                continue
            text = (
                f'{name} is not installed, {other} {_version(other)} stands in for it: the same import '
                f'name, but {asked}'
            )
            remedy = (
                'docs/install.md says what was run with others; or '
                f'{pip_command(uninstall=(other,))}'
            )
            found.append(Finding('warning', text, remedy))
        elif Requirement and not Requirement(line).specifier.contains(installed, prereleases=True):
            text = f'{name} {installed} is out of its range: {asked}'
            found.append(Finding('problem', text, pip_command()))
        elif Requirement:
            good.append(f'{name} {installed}')
    if missing:
        text = f'{len(missing)} of {len(lines)} packages of {file.name} are not installed: '
        found.insert(0, Finding('problem', text + ', '.join(missing), pip_command()))
    if good:
        text = f'{len(good)} of {len(lines)} packages of {file.name} are in their ranges: '
        found.append(Finding('ok', text + ', '.join(good)))
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

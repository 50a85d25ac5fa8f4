import re
from importlib.metadata import PackageNotFoundError, distribution

from .finding import Finding
from .pip_command import pip_command


def check_torch_pair() -> list[Finding]:
    """Look whether torch and torchvision are made for each other, without importing them.

    Their compiled parts must be of one build (CPU, or one version of CUDA) and torchvision names the torch it was
    built against. Otherwise ``operator torchvision::nms does not exist`` comes, or a crash.

    Returns:
        list[Finding]: One; none where either is missing.
    """
    try:
        builds = {name: _build(name) for name in ('torch', 'torchvision')}
        wanted = distribution('torchvision').requires or []
    except PackageNotFoundError:
        return []
    remedy = pip_command(uninstall=('torch', 'torchvision'))
    shown = ' and '.join(f'{name} {version}' for name, version in builds.items())
    tags = [version.partition('+')[2] for version in builds.values()]
    if all(tags) and tags[0] != tags[1]:
        text = f'{shown} are of different builds: one is for {tags[0]}, the other for {tags[1]}'
        return [Finding('problem', text, remedy)]
    if (allowed := _allowed(wanted)) and not allowed.contains(builds['torch'], prereleases=True):
        text = f'{shown} do not fit: this torchvision was built for torch{allowed}'
        return [Finding('problem', text, remedy)]
    return [Finding('ok', f'{shown} fit each other')]


def _build(name: str) -> str:
    """The version with its build tag, which the package index's metadata leave out."""
    found = distribution(name)
    file = found.locate_file(f'{name}/version.py')
    try:
        match = re.search(r'^__version__\b.*?=\s*[\'"]([^\'"]+)', file.read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match.group(1) if match else found.version


def _allowed(requires: list[str]):
    """What torchvision says of torch, as a set of versions."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return None
    found = [Requirement(line) for line in requires]
    return next((r.specifier for r in found if r.name == 'torch'), None)

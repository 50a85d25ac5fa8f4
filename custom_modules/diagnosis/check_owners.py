from collections import Counter
from itertools import groupby

from .finding import Finding
from .package_owners import Owner, package_owners
from .pip_command import pip_command

# what this project imports, by its name in Python; others share names on purpose (google, nvidia, tests)
IMPORTED = (
    'mmengine',
    'mmcv',
    'mmseg',
    'mmpretrain',
    'torch',
    'torchvision',
    'cv2',
    'numpy',
    'matplotlib',
    'pycocotools',
    'PIL',
    'tensorboard',
    'rich',
    'jinja2',
    'packaging',
    'pandas',
    'scipy',
    'skimage',
)


def check_owners(imported: tuple[str, ...] = IMPORTED) -> list[Finding]:
    """Look for packages that several installed distributions bring.

    pip does not refuse it: the files of one overwrite those of the other, whichever came last, and
    uninstalling one takes files of both away. It happens when a dependency asks for ``mmengine`` or
    ``opencv-python-headless`` beside ``onedl-mmengine`` or ``opencv-python``.

    Args:
        imported (tuple[str]): The packages to look for.

    Returns:
        list[Finding]: A problem for two owners in one folder, a warning where OpenCV's are of one version (their
        files are the same) or where a folder earlier on the path hides another; one line if there is none.
    """
    owners = package_owners(imported)
    found = [f for package in imported for f in _findings(package, owners.get(package, []))]
    return found or [Finding('ok', 'no package that is imported has two owners')]


def _findings(package: str, owners: list[Owner]) -> list[Finding]:
    found = []
    # the order is that of the path; sorting by folder keeps it within a folder
    for folder, group in groupby(sorted(owners, key=lambda o: o.folder), lambda o: o.folder):
        if len(group := list(group)) > 1:
            found.append(_clash(package, folder, group))
    first = {owner.folder: owner.name for owner in reversed(owners)}
    if not found and len(set(first.values())) > 1:
        (folder, used, version), *_ = owners
        hidden = ', '.join(f'{name} {v} in {place}' for place, name, v in owners if place != folder)
        text = f'{package} comes from {used} {version} in {folder}, which hides {hidden}'
        found.append(Finding('warning', text, 'fine if meant; else look at PYTHONPATH'))
    return found


def _clash(package: str, folder: str, owners: list[Owner]) -> Finding:
    counts = Counter(name for _, name, _ in owners)
    listed = ' and '.join(f'{name} {version}' for _, name, version in owners)
    same = package == 'cv2' and len({version for *_, version in owners}) == 1
    if len(counts) == 1:
        text = (
            f'{package} is listed twice, as {listed}, in {folder}: an installation was interrupted'
        )
    elif same:
        text = f'{package} belongs to {listed}: harmless as long as they are of one version'
    else:
        text = f'{package} belongs to {listed}, which have overwritten each other in {folder}'
    return Finding('warning' if same else 'problem', text, pip_command(uninstall=tuple(counts)))

from collections.abc import Iterable

from .finding import Finding
from .pip_command import INSTALL_ALL, pip_command

# in this order; each with the packages it cannot do without
NEEDS = {
    'numpy': (),
    'matplotlib': ('numpy',),
    'PIL': (),
    'pycocotools': ('numpy',),
    'rich': (),
    'jinja2': (),
    'packaging': (),
    'pandas': ('numpy',),
    'scipy': ('numpy',),
    'skimage': ('scipy',),
    'cv2': ('numpy',),
    'torch': ('numpy',),
    'torchvision': ('torch',),
    'mmengine': ('torch', 'cv2'),
    'mmcv': ('mmengine',),
    'mmseg': ('mmcv',),
    'mmpretrain': ('mmcv',),
    'tensorboard': ('torch',),
    'custom_modules.segmentation': ('mmseg', 'torchvision'),
    'custom_modules.classification': ('mmpretrain', 'torchvision'),
}
CODE = {
    'pycocotools': 'import pycocotools.mask',
    'skimage': 'import skimage.measure',
    # merely importing it succeeds where torch and torchvision do not fit
    'torchvision': 'import torch, torchvision\n'
    'torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)',
    'tensorboard': 'from torch.utils.tensorboard import SummaryWriter',
    'mmseg': 'import mmseg, mmseg.models',
    'mmpretrain': 'import mmpretrain, mmpretrain.models',
}
# what errors say, and what helps
KNOWN = {
    'libGL.so': 'apt-get install libgl1 libglib2.0-0, or the like on this system',
    'libgthread': 'apt-get install libgl1 libglib2.0-0, or the like on this system',
    'torchvision::nms': pip_command(uninstall=('torch', 'torchvision')),
}


def import_steps(packages: Iterable[str] = NEEDS) -> dict[str, str]:
    """Write the code that imports each package, for :func:`try_steps`."""
    return {package: CODE.get(package, f'import {package}') for package in packages}


def check_imports(outcomes: dict[str, dict], missing: Iterable[str] = ()) -> list[Finding]:
    """Judge how the imports went.

    Args:
        outcomes (dict[str, dict]): What :func:`try_steps` found for :func:`import_steps`.
        missing (Iterable[str]): Packages that nothing brings, which the requirements' check has reported.

    Returns:
        list[Finding]: A problem for each package that does not import by its own fault: what needs a broken one is
        not mentioned again. One line for those that do.
    """
    bad, found = set(missing), []
    for package, needs in NEEDS.items():
        error = outcomes.get(package, {}).get('error')
        if error is None:
            continue
        if package not in bad and not bad.intersection(needs):
            remedy = next((KNOWN[words] for words in KNOWN if words in error), None)
            text = f'{package} cannot be imported: {error}'
            found.append(
                Finding('problem', text, remedy or pip_command(f'--force-reinstall {INSTALL_ALL}'))
            )
        bad.add(package)
    fine = [package for package in NEEDS if package in outcomes and package not in bad]
    if fine:
        found.append(Finding('ok', f'can be imported: {", ".join(fine)}'))
    return found

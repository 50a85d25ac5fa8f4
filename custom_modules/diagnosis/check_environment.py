import os
from collections.abc import Mapping

from custom_modules.utils.errors import UsageError
from custom_modules.utils.files import find_data

from .finding import Finding

SYNTHETIC = 'python tools/prepare_data.py synthetic, then MOON_DATA=data/moon_synthetic'
LUNAR = 'python tools/prepare_data.py lunar SRC'
# variable: default, and what makes the data
DATA = {
    'MOON_DATA': ('data/MOON_SEGMENTATION_BINARY', SYNTHETIC),
    'MOON_MULTICLASS_DATA': ('data/MOON_SEGMENTATION_MULTICLASS', LUNAR),
    'TINY_IMAGENET': (
        'data/tiny-imagenet-200',
        'python tools/prepare_data.py tiny-imagenet ARCHIVE',
    ),
}
SAFE, UNSAFE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


def check_environment(environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at the variables that this project reads, and at the data they lead to.

    Args:
        environ (Mapping[str, str], optional): The variables. Those of this process by default.

    Returns:
        list[Finding]: A problem for a variable that leads nowhere, and where torch is told to load checkpoints
        unsafely; data that are not there yet are worth knowing only.
    """
    environ = os.environ if environ is None else environ
    found = [_data(name, environ.get(name)) for name in DATA]
    if environ.get(UNSAFE, '0').lower() in ('1', 'y', 'yes', 'true'):
        text = f'{UNSAFE} is set, and this project sets {SAFE}: torch refuses to load anything under both'
        found.append(Finding('problem', text, f'unset {UNSAFE}'))
    else:
        text = f'checkpoints are loaded as data, never as code (this project sets {SAFE}=1'
        state = f', it was {environ[SAFE]!r})' if SAFE in environ else ', it was not set)'
        found.append(Finding('ok', text + state))
    return found


def _data(name: str, value: str | None) -> Finding:
    default, remedy = DATA[name]
    stated = f'{name}={value}' if value else f'{name} is not set, the default {default}'
    try:
        place = find_data(value or default, 'it', 'x')
    except UsageError:
        if value:
            return Finding(
                'problem',
                f'{stated}: there is no such folder',
                f'correct or unset it; such a set is made by {remedy}',
            )
        return Finding('info', f'{stated} is not there', remedy)
    return Finding('ok', f'{stated}: {place}' if value else f'{stated} is there: {place}')

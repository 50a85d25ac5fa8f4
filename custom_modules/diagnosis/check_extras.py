import shutil
from importlib.metadata import PackageNotFoundError, version

from .finding import Finding

# the first of each that is there counts
EXTRAS = (('albumentations',), ('clearml',), ('mlflow', 'mlflow-skinny'), ('wandb',))
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


def check_extras() -> list[Finding]:
    """List what a run can do without: see ``requirements/``; the browser is for tests."""
    there, absent = [], []
    for names in EXTRAS:
        installed = next(filter(None, map(_with_version, names)), None)
        (there if installed else absent).append(installed or names[0])
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    (there if browser else absent).append(browser or 'chromium')
    parts = (('installed', there), ('not installed', absent))
    lines = [f'{words}: {", ".join(names)}' for words, names in parts if names]
    return [Finding('info', f'optional, {"; ".join(lines)}')]


def _with_version(name: str) -> str | None:
    try:
        return f'{name} {version(name)}'
    except PackageNotFoundError:
        return None

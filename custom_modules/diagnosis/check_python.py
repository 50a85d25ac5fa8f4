# an old Python must be able to read this file and finding.py
from __future__ import annotations

import platform
import sys

from .finding import Finding

OLDEST = (3, 10)


def check_python() -> list[Finding]:
    """Look at the version of Python."""
    version = '.'.join(map(str, sys.version_info[:3]))
    text = f'Python {version} ({sys.executable}) on {platform.system()} {platform.machine()}'
    if tuple(sys.version_info[:2]) >= OLDEST:
        return [Finding('ok', text)]
    needed = '.'.join(map(str, OLDEST))
    text = f'{text}: {needed} or newer is needed'
    return [Finding('problem', text, 'make env PYTHON=python3.11, or newer')]

"""The system's own Chromium for tests; whoever imports this is skipped where there is none."""

import os
import shutil
from contextlib import contextmanager

import pytest

playwright = pytest.importorskip('playwright.sync_api')
BROWSER = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)
if BROWSER is None and os.environ.get('BROWSER_TESTS') != 'required':
    pytest.skip('there is no Chromium: apt-get install chromium', allow_module_level=True)
FLAGS = [
    '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
]  # fmt: skip


@contextmanager
def open_chromium(*flags: str):
    """Start Chromium.

    Args:
        *flags (str): Further flags.

    Yields:
        playwright.sync_api.Browser: The browser.
    """
    with playwright.sync_playwright() as driver:
        # as root, as in a container, it starts without its sandbox only
        sandbox = not hasattr(os, 'geteuid') or os.geteuid() != 0
        browser = driver.chromium.launch(
            executable_path=BROWSER, args=[*FLAGS, *flags], chromium_sandbox=sandbox
        )
        yield browser
        browser.close()

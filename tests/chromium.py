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


@contextmanager
def watched_tabs(browser, *own: str):
    """Open tabs; what they complain of, and requests to anywhere but their own page, fail the test at the end.

    Args:
        browser (playwright.sync_api.Browser): The browser.
        *own (str): How the addresses begin that may be asked for, beside data that the page itself holds.

    Yields:
        Callable: Opens a tab of a width and a height; with ``strict=False`` one whose own errors do not count.
    """
    complaints, contexts = [], []

    def open_tab(width: int = 1200, height: int = 900, strict: bool = True):
        contexts.append(browser.new_context(viewport=dict(width=width, height=height)))
        tab = contexts[-1].new_page()
        allowed = (*own, 'data:', 'blob:')
        tab.on('request', lambda r: r.url.startswith(allowed) or complaints.append(r.url))
        if strict:
            tab.on('console', lambda m: m.type == 'error' and complaints.append(m.text))
            tab.on('pageerror', lambda error: complaints.append(str(error)))
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert complaints == []

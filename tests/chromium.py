"""The system's own Chromium for tests; whoever imports this is skipped where there is none."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

playwright = pytest.importorskip('playwright.sync_api')
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
if BROWSER is None and os.environ.get('BROWSER_TESTS') != 'required':
    pytest.skip('there is no Chromium: apt-get install chromium', allow_module_level=True)
# beside playwright's own
FLAGS = ['--disable-gpu', '--disable-quic', '--disable-sync']


@contextmanager
def open_chromium(*flags: str):
    """Start Chromium with further flags, and give the browser."""
    with playwright.sync_playwright() as driver:
        # as root, as in a container, it starts without its sandbox only
        sandbox = not hasattr(os, 'geteuid') or os.geteuid() != 0
        browser = driver.chromium.launch(executable_path=BROWSER, args=[*FLAGS, *flags], chromium_sandbox=sandbox)
        yield browser
        browser.close()


def download(page, name: str) -> bytes:
    """Click the element of this id, and read what it downloads."""
    with page.expect_download() as started:
        page.locator(f'#{name}').click()
    return Path(started.value.path()).read_bytes()


def downloaded_picture(page, name: str) -> np.ndarray:
    """Read a downloaded picture as it is."""
    return cv2.imdecode(np.frombuffer(download(page, name), np.uint8), cv2.IMREAD_UNCHANGED)


def bad_picture(kind: str, path: Path) -> None:
    """Write a file that no page takes: ``'no picture'``, ``'too many bytes'``, ``'too many pixels'`` or ``'few of 16 bits'``."""
    if kind == 'too many pixels':
        Image.new('1', (8000, 6000)).save(path)
    elif kind == 'few of 16 bits':
        cv2.imwrite(str(path), np.full((60, 60), 2**14 - 1, np.uint16))
    else:
        path.write_bytes(b'no picture' if kind == 'no picture' else b'\x89PNG' + b'0' * (21 * 2**20))


@contextmanager
def watched_tabs(browser, *own: str):
    """Give a function that opens tabs; what they complain of (but with ``strict=False``) fails the test at the end.

    So do requests to addresses that begin with none of ``own``, beside data that the page itself holds.
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

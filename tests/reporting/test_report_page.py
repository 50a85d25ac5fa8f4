"""The report's HTML page in a real browser: no errors, sorting, pictures by key and click, phone, print, no script."""

import cv2
import numpy as np
import pytest

IMAGES = 3


@pytest.fixture(scope='module')
def page_file(report):
    return (report / 'report.html').as_uri()


@pytest.fixture
def page(browser, page_file):
    """The open page; whatever it complains of fails the test."""
    context = browser.new_context(viewport=dict(width=1200, height=900))
    tab = context.new_page()
    complaints = []
    tab.on('console', lambda message: complaints.append(message.text))
    tab.on('pageerror', lambda error: complaints.append(str(error)))
    tab.on('request', lambda r: r.url.startswith(('file:', 'data:')) or complaints.append(r.url))
    tab.goto(page_file)
    yield tab
    assert complaints == []
    context.close()


def column(page, number: int) -> list[str]:
    return page.locator(f'#results tbody tr > :nth-child({number})').all_inner_texts()


def test_pictures_load_and_the_screenshot_shows_something(page):
    loaded = page.evaluate('[...document.images].map((image) => image.naturalWidth)')
    # two pictures of curves, confusion matrix, four networks, and for each image its thumbnail, input, truth and three models
    assert len(loaded) == 3 + 4 + IMAGES * 6 and min(loaded) >= 64
    shot = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert shot.shape == (900, 1200, 3) and len(np.unique(shot.reshape(-1, 3), axis=0)) > 100
    # a name is no markup
    assert page.locator('b').count() == 0
    assert any('<b>bold' in text for text in column(page, 1))
    page.emulate_media(media='print')
    assert all(section.is_visible() for section in page.locator('.sample').all())
    assert not page.locator('.steps').is_visible()

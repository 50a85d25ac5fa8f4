"""The report's HTML page in a real browser: no errors, pictures load, print, no script in a name."""

import cv2
import numpy as np
from chromium import watched_tabs

IMAGES = 3


def test_pictures_load_and_the_screenshot_shows_something(browser, report):
    with watched_tabs(browser, 'file:') as open_tab:
        page = open_tab()
        page.goto((report / 'report.html').as_uri())
        loaded = page.evaluate('[...document.images].map((image) => image.naturalWidth)')
        # two pictures of curves, confusion matrix, four networks, and for each image its thumbnail, input, truth and three models
        assert len(loaded) == 3 + 4 + IMAGES * 6 and min(loaded) >= 64
        shot = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert shot.shape == (900, 1200, 3) and len(np.unique(shot.reshape(-1, 3), axis=0)) > 100
        # a name is no markup
        assert page.locator('b').count() == 0
        names = page.locator('#results tbody tr > :nth-child(1)').all_inner_texts()
        assert any('<b>bold' in name for name in names)
        page.emulate_media(media='print')
        assert all(section.is_visible() for section in page.locator('.sample').all())
        assert not page.locator('.steps').is_visible()

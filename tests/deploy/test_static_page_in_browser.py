"""The page without a server in a real browser: the answers are Python's, and no network is needed."""

import csv
import functools
import io
import json
import re
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from chromium import bad_picture, download, downloaded_picture, watched_tabs
from conftest import REPOSITORY
from pictures import with_turn
from PIL import Image

COUNT = re.compile(r'^(\d+) rocks?$')


@contextmanager
def serving(folder):
    with ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}/'
        server.shutdown()


@pytest.fixture(scope='module')
def site(small_onnx, tmp_path_factory):
    """The page in a folder of a plain web server, as on GitHub Pages."""
    from custom_modules.deploy.static_page import write_page

    root = tmp_path_factory.mktemp('site')
    write_page(small_onnx, root / 'some' / 'folder')
    with serving(root) as address:
        yield f'{address}some/folder/'


@pytest.fixture
def open_page(browser, site):
    """Open the page and cut the network off; errors that it prints and requests to elsewhere fail the test."""
    with watched_tabs(browser, site) as open_tab:

        def open_it(*window, **strict):
            tab = open_tab(*window, **strict)
            tab.goto(site, wait_until='networkidle')
            tab.locator('#photograph:enabled').wait_for()
            tab.context.set_offline(True)
            return tab

        yield open_it


def photo(path, width: int, height: int, **options):
    noise = np.random.default_rng(0).normal(size=(height, width, 3)).astype(np.float32)
    image = cv2.GaussianBlur(noise, (0, 0), max(width, height) / 40)
    image = np.clip(128 + 40 * image / image.std(), 0, 255).astype(np.uint8)
    Image.fromarray(image).save(path, **options)
    return path


def answered(page, name: str) -> int:
    page.locator(f'#picture[aria-label^={json.dumps(name)}]').wait_for()
    return int(COUNT.match(page.locator('#status').filter(has_text=COUNT).inner_text())[1])


def upload(page, path) -> int:
    page.locator('#photograph').set_input_files(str(path))
    return answered(page, path.name)


@pytest.mark.parametrize(
    ('name', 'size', 'options'),
    [
        ('a, "b".png', (421, 280), {}),
        ('small.png', (50, 41), {}),
        ('narrow.png', (40, 300), {}),
        ('even.png', (128, 192), {}),
        ('turned.jpg', (200, 150), dict(exif=with_turn(6), quality=95)),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_the_mask_is_that_of_python(open_page, tmp_path, small_onnx, name, size, options):
    from custom_modules.deploy import RockDetector
    from custom_modules.deploy.predict import COLUMNS

    path = photo(tmp_path / name, *size, **options)
    expected = RockDetector(small_onnx)(path)
    page = open_page()
    found = upload(page, path)
    mask = downloaded_picture(page, 'mask')
    assert mask.shape == expected.mask.shape and set(np.unique(mask)) == {0, 255}
    assert 2 * (mask[expected.mask == 1] > 0).sum() / ((mask > 0).sum() + expected.mask.sum()) >= 0.98
    # the list is that of the mask, as OpenCV counts it
    count, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    rows = list(csv.DictReader(io.StringIO(download(page, 'csv').decode(), newline='')))
    assert tuple(rows[0]) == COLUMNS
    assert {(row['picture'], row['class']) for row in rows} == {(name, 'rock')}
    assert {row['touches_border'] for row in rows} <= {'0', '1'}
    assert page.locator('#rocks tr').first.inner_text().split('\t')[1] == rows[0]['area']
    assert downloaded_picture(page, 'overlay').shape == (*mask.shape, 3)
    assert found == len(rows) == count - 1 > 1
    boxes = [[int(row[k]) for k in ('left', 'top', 'width', 'height', 'area')] for row in rows]
    assert sorted(boxes) == sorted(stats[1:].tolist())
    means = [[float(row['centre_x']), float(row['centre_y'])] for row in rows]
    assert np.allclose(sorted(means), sorted(centres[1:].tolist()), atol=0.011)
    assert [row['number'] for row in rows] == [str(i + 1) for i in range(found)]
    mean = np.average([float(row['probability']) for row in rows], weights=[int(row['area']) for row in rows])
    assert abs(mean - expected.probability[expected.mask == 1].mean()) < 0.002


def test_the_published_page_answers_as_python(browser):
    """What lies in docs/demo, with its own pictures."""
    pytest.importorskip('onnxruntime')
    from custom_modules.deploy import RockDetector

    folder = REPOSITORY / 'docs' / 'demo'
    expected = RockDetector(folder / 'model.onnx')(folder / 'scene1.jpg')
    with serving(folder) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_role('button', name='Scene 1').click()
        answered(page, 'scene1.jpg')
        mask = downloaded_picture(page, 'mask')
        # the weights are of renders whose licence they inherit
        assert 'CC BY-NC-SA 4.0, and so are these weights' in page.locator('footer').inner_text()
        page.close()
    assert 2 * (mask[expected.mask == 1] > 0).sum() / ((mask > 0).sum() + expected.mask.sum()) >= 0.98


def test_the_threshold_changes_the_answer(open_page):
    page = open_page()
    assert page.locator('#threshold').input_value() == '0.6'
    page.get_by_role('button', name='Scene 1').click()
    first = answered(page, 'scene1.jpg')
    before = download(page, 'overlay')
    areas = []
    for key, shown in (('Home', '0.05'), ('End', '0.95')):
        page.get_by_label('How certain').focus()
        page.keyboard.press(key)
        page.locator('#certain').filter(has_text=shown).wait_for()
        areas.append((downloaded_picture(page, 'mask') > 0).sum())
    assert areas[0] > areas[1]
    assert answered(page, 'scene1.jpg') != first and download(page, 'overlay') != before


def test_a_phone_shows_all_of_it(open_page):
    page = open_page(390, 844)
    page.get_by_role('button', name='Scene 2').click()
    answered(page, 'scene2.jpg')
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    assert 300 < page.locator('#picture').bounding_box()['width'] <= 390
    assert all(page.locator(f'#{name}').is_visible() for name in ('mask', 'overlay', 'csv', 'list'))


@pytest.mark.parametrize(
    ('kind', 'sentence'),
    [
        ('no picture', 'cannot be read as an image: choose a JPEG, PNG or WebP file.'),
        ('too many bytes', 'bad.png has 21.0 MB, and 20 are the most here'),
        ('too many pixels', 'bad.png has 8000x6000 pixels, and 40 million are the most here'),
        ('few of 16 bits', 'bad.png has 16 bits and uses 14 of them at most: save it with 8'),
    ],
)
def test_mistakes_are_answered_in_a_sentence(open_page, tmp_path, kind, sentence):
    path = tmp_path / 'bad.png'
    bad_picture(kind, path)
    page = open_page()
    page.locator('#photograph').set_input_files(str(path))
    page.get_by_text(sentence).wait_for()
    assert page.locator('#mask').is_disabled()
    assert upload(page, photo(tmp_path / 'good.png', 60, 60)) > 0

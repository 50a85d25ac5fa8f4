"""The page in a real browser: upload, threshold, downloads, mistakes, a phone, and nothing left behind."""

import csv
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from chromium import bad_picture, download, downloaded_picture, watched_tabs
from conftest import REPOSITORY, free_port
from pictures import save

pytest.importorskip('gradio')

COUNT = re.compile(r'(\d+) rocks?')


@pytest.fixture(scope='module')
def server(small_onnx, tmp_path_factory):
    """The tool in a process of its own; after Ctrl-C its folder is gone."""
    temporary, port = tmp_path_factory.mktemp('temporary'), free_port()
    command = [sys.executable, '-W', 'ignore', 'tools/demo.py', str(small_onnx), '--port', str(port)]
    log = temporary.with_name('demo.log')
    with log.open('w') as file:
        where = dict(cwd=REPOSITORY, env=os.environ | dict(TMPDIR=str(temporary)))
        process = subprocess.Popen(command, stdout=file, stderr=file, **where)
    address = f'http://127.0.0.1:{port}'
    end = time.monotonic() + 120
    while address not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    yield address
    assert list(temporary.glob('moon_rocks_*/*'))
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert not list(temporary.glob('moon_rocks_*'))


@pytest.fixture
def open_page(browser, server):
    """Open the page; errors that it prints and requests to elsewhere fail the test."""
    with watched_tabs(browser, server) as open_tab:

        def open_it(**strict):
            tab = open_tab(**strict)
            tab.goto(server)
            tab.wait_for_selector('#scenes img')
            return tab

        yield open_it


def upload(page, path) -> int:
    page.locator('#photograph input[type=file]').set_input_files(str(path))
    page.wait_for_selector('#picture img')
    return int(COUNT.search(page.locator('#count').filter(has_text=COUNT).inner_text())[1])


def test_a_photograph_is_answered_with_rocks_and_files(open_page, tmp_path, small_onnx):
    from custom_modules.deploy import RockDetector

    # that a browser does not know: 16 bits, as TIFF
    photo = tmp_path / 'photo.tif'
    save(photo, np.random.default_rng(0).integers(0, 65535, (90, 120), dtype=np.uint16))
    page = open_page()
    found = upload(page, photo)
    expected = RockDetector(small_onnx)(photo)
    assert found == len(expected.rocks) > 1
    assert (downloaded_picture(page, 'mask') == expected.mask * 255).all()
    assert downloaded_picture(page, 'overlay').shape == (90, 120, 3)
    rows = list(csv.DictReader(io.StringIO(download(page, 'csv').decode())))
    assert len(rows) == found and int(rows[0]['area']) == expected.rocks[0].area
    assert rows[0]['area'] in page.locator('#table').inner_text()
    page.locator('#threshold input[type=number]').fill('0.95')
    page.locator('#count').filter(has_not_text=f'{found} rocks').wait_for()
    page.set_viewport_size(dict(width=390, height=844))
    assert 300 < page.locator('#picture').bounding_box()['width'] <= 390


@pytest.mark.parametrize(
    ('kind', 'sentence'),
    [('no picture', 'bad.png cannot be read as an image'), ('too many pixels', 'and 40 million are the most here')],
)
def test_mistakes_are_answered_in_a_sentence(open_page, tmp_path, kind, sentence):
    path = tmp_path / 'bad.png'
    bad_picture(kind, path)
    page = open_page(strict=False)
    page.locator('#photograph input[type=file]').set_input_files(str(path))
    message = page.locator('.toast-body').first
    message.wait_for()
    assert sentence in message.inner_text() and str(tmp_path) not in message.inner_text()


def test_it_answers_this_machine_alone(server):
    with pytest.raises(OSError), socket.create_connection(('127.0.0.2', int(server.rsplit(':')[-1])), timeout=2):
        pass

"""What is written for the page without a server, and what is refused."""

import hashlib
import json
import re

import numpy as np
import pytest
from conftest import REPOSITORY
from small_onnx import write_small_onnx

from custom_modules.deploy import export, static_page
from custom_modules.evaluation.exported import OnnxModel

SOURCE = REPOSITORY / 'docs' / 'demo'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """One scene beside the page, and two to compare on."""
    monkeypatch.setattr(static_page, 'SCENES', 1)
    monkeypatch.setattr(export, 'CHECKED', 2)


def test_half_the_bytes_say_the_same_or_all_are_kept(tmp_path, monkeypatch):
    given = write_small_onnx(tmp_path / 'small.onnx')
    content = given.read_bytes()
    small = static_page.halved(content)
    # 1,728 numbers; the other convolution's 576 stay
    assert 3300 < len(content) - len(small) < 3456
    images = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3), dtype=np.uint8)
    assert 0 < np.abs(OnnxModel(content)(images) - OnnxModel(small)(images)).max() < 1e-3
    assert 'in 16 bits' in static_page.write_page(given, tmp_path / 'a')[0]
    assert (tmp_path / 'a' / 'model.onnx').stat().st_size < given.stat().st_size
    monkeypatch.setattr(static_page, 'TOLERANCE', 0)
    assert 'in 16 bits' not in static_page.write_page(given, tmp_path / 'b')[0]
    assert (tmp_path / 'b' / 'model.onnx').read_bytes() == content


@pytest.mark.parametrize(
    ('changed', 'sentence'), [(dict(threshold=None), 'has several channels'), (dict(task='classification'), 'is a classifier')]
)
def test_a_model_that_the_page_cannot_show(refused, tmp_path, changed, sentence):
    refused(sentence, 'demo.py', write_small_onnx(tmp_path / 'given.onnx', **changed), '--static', tmp_path / 'site')
    assert not (tmp_path / 'site').exists()


def test_another_site_is_not_written_over(refused, tmp_path):
    (tmp_path / 'index.html').write_text('mine')
    refused('choose another folder with --static', 'demo.py', write_small_onnx(tmp_path / 'given.onnx'), '--static', tmp_path)
    assert (tmp_path / 'index.html').read_text() == 'mine'


def test_onnxruntime_web_is_as_published():
    folder = SOURCE / 'onnxruntime'
    stated = re.findall(r'^([0-9a-f]{64})  (\S+)$', (folder / 'README.md').read_text(), re.MULTILINE)
    assert {name for _, name in stated} == {path.name for path in folder.iterdir() if path.suffix in ('.mjs', '.wasm')}
    for digest, name in stated:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_page_has_the_smallest_published_detector(tool, tmp_path, monkeypatch):
    """After a change of its weights: ``python tools/demo.py --static docs/demo``."""
    monkeypatch.setattr(export, 'CHECKED', 32)
    assert tool('demo.py', '--static', tmp_path / 'site') == 0
    for name in ('model.json', 'model.onnx'):
        assert (SOURCE / name).read_bytes() == (tmp_path / 'site' / name).read_bytes()
    card = json.loads((SOURCE / 'model.json').read_text())
    name, digest = card['source'].split()
    weights = {path.stem: path for path in (REPOSITORY / 'checkpoints').glob('rock_detector*.pth')}
    assert weights[name].stat().st_size == min(path.stat().st_size for path in weights.values())
    assert digest == hashlib.sha256(weights[name].read_bytes()).hexdigest()
    assert card['licence'] in weights[name].with_suffix('.md').read_text()

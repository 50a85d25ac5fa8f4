"""2,000 damaged files give results or one sentence.

``FILES_ROUNDS=10 python -m pytest tests/faults/test_damaged_files.py`` makes it ten times longer.
"""

import functools
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from test_bad_files import COCO, GREY, JPEG, MASK, PNG, SCENE, WEIGHTS, encoded, palette, saved, tiff

from custom_modules.datasets.splits import listed_ids
from custom_modules.deploy import RockDetector
from custom_modules.models.safe_loading import load_checkpoint_file
from custom_modules.preparation.coco_file import CocoFile
from custom_modules.utils.errors import UsageError
from custom_modules.utils.images import read_image, read_mask


def mutated(data: bytes, rng) -> bytes:
    """Change a file as bad disks, cut transfers and other programs do."""
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(data) + 1))
        length = int(rng.integers(1, 9 if rng.random() < 0.7 else 200))
        before, piece, after = data[:place], data[place : place + length], data[place + length :]
        flipped = bytes(byte ^ (1 << int(rng.integers(8))) for byte in piece)
        word = bytes(rng.choice([b'\0', b'\xff', b'-1', b'1e999', b'null', b'[]', b'"', b'{']))
        changes = [before + new + after for new in (flipped, rng.bytes(length), piece * 3, word, b'')]
        data = [before, *changes][rng.integers(6)]
    return data


def draw_all(path):
    coco = CocoFile(path)
    for image in coco.images:
        # what a mutation makes large would only cost time
        if image['width'] * image['height'] < 1 << 20:
            coco.draw(image)


def predict(path):
    mask, probability, _ = detector()(path)
    assert mask.shape == probability.shape == read_image(path).shape[:2] and np.isfinite(probability).all()


@functools.cache
def detector():
    return RockDetector()


SEEDS = {
    'png': ([PNG, encoded(MASK), palette([[0] * 3, [9, 0, 0], [0, 9, 0]]), encoded(GREY.astype(np.uint16) * 99)],
            [read_image, read_mask, predict]),
    'jpeg': ([JPEG, encoded(SCENE, 'JPEG', progressive=True), encoded(MASK, 'JPEG', exif=Image.Exif())],
             [read_image, read_mask, predict]),
    'tiff': ([encoded(SCENE, 'TIFF'), tiff(0.5, np.float32), encoded(MASK, 'TIFF', compression='tiff_lzw')],
             [read_image, read_mask, predict]),
    'coco': ([json.dumps(COCO).encode()], [draw_all]),
    'list': ([b'0001\r\n0002\n', '0001\n0002'.encode('utf-16')],
             [lambda path: listed_ids(path, ['0001', '0002', 'a b'], 'data')]),
    'checkpoint': ([WEIGHTS, saved(torch.nn.Linear(2, 2).state_dict())], [load_checkpoint_file]),
}  # fmt: skip
ROUNDS = dict(png=600, jpeg=400, tiff=200, coco=400, list=200, checkpoint=200)


@pytest.mark.parametrize('kind', SEEDS)
@pytest.mark.filterwarnings('ignore')
def test_damaged_files_give_results_or_one_sentence(kind, tmp_path):
    files, reads = SEEDS[kind]
    rng = np.random.default_rng(len(kind))
    refused = 0
    rounds = ROUNDS[kind] * int(os.environ.get('FILES_ROUNDS', 1))
    for number in range(rounds):
        path = tmp_path / 'file'
        path.write_bytes(mutated(files[number % len(files)], rng))
        try:
            reads[number // len(files) % len(reads)](path)
        except UsageError as error:
            refused += 1
            assert '\n' not in str(error), str(error)
    assert refused > rounds / 10

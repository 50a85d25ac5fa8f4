"""Pictures on a Ray cluster of two nodes, one of which dies in the middle: each is there once, as by one process.

By hand or in its CI job, a few minutes: pip install -r requirements/cluster.txt -r requirements/export.txt; CLUSTER_TESTS=1 python -m pytest tests/cluster
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import REPOSITORY, make_moon

ray = pytest.importorskip('ray')
pytest.importorskip('psutil')
pytest.importorskip('onnxruntime')
from ray_nodes import power_cut, ray_cluster  # noqa: E402

# needs no torch, whose import takes each process seconds
MODEL = REPOSITORY / 'docs' / 'demo' / 'model.onnx'
# PICTURES=2000 for the large one by hand
PICTURES = int(os.environ.get('PICTURES', '200'))


def predict(pictures: Path, out: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, REPOSITORY / 'tools' / 'predict.py', MODEL, pictures, '-o', out]
    return subprocess.Popen(
        [*map(str, command), *arguments],
        env=os.environ | dict(OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def files(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob('*') if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def tables(folder: Path) -> tuple[list, list]:
    """The rows of both tables, whatever the order in which the pictures came."""
    rows = sorted((folder / 'rocks.csv').read_text().splitlines())
    coco = json.loads((folder / 'rocks.json').read_text())
    names = {image['id']: image['file_name'] for image in coco['images']}
    shapes = [
        [names[shape['image_id']], *(shape[k] for k in ('segmentation', 'bbox', 'score'))]
        for shape in coco['annotations']
    ]
    return rows, sorted(names.values()), sorted(shapes, key=json.dumps)


@pytest.fixture
def nodes():
    with ray_cluster(2) as nodes:
        yield nodes


def test_a_node_dies_and_every_picture_is_there_once(nodes, tmp_path):
    cluster, (_, second) = nodes
    make_moon(tmp_path / 'moon', count=PICTURES)
    pictures, out = tmp_path / 'moon' / 'images' / 'render', tmp_path / 'ray'
    tool = predict(pictures, out, '--ray', cluster.address)
    manifest = out / 'pictures.jsonl'

    def in_the_middle(processes) -> int:
        done = manifest.read_bytes().count(b'\n') - 1 if manifest.exists() else 0
        return done if done >= PICTURES // 5 or tool.poll() is not None else 0

    done = power_cut(second, in_the_middle)
    said = tool.communicate(timeout=1800)[0]
    assert tool.returncode == 0, said
    assert PICTURES // 5 <= done < PICTURES * 0.9, 'it died in the middle'
    print(f'{done} were done when the node died\n{said}')
    assert f'{PICTURES} pictures, ' in said and ' 0 skipped' in said
    alone = predict(pictures, tmp_path / 'alone')
    assert alone.wait(timeout=1800) == 0, alone.stdout.read()
    entries = [json.loads(line) for line in manifest.read_text().splitlines()[1:]]
    assert set(Counter(entry['picture'] for entry in entries).values()) == {1}
    assert len(entries) == PICTURES
    assert tables(out) == tables(tmp_path / 'alone') and len(tables(out)[0]) > PICTURES / 4
    tabular = ('pictures.jsonl', 'rocks.csv', 'rocks.json')
    ours, theirs = (
        {name: content for name, content in files(folder).items() if name not in tabular}
        for folder in (out, tmp_path / 'alone')
    )
    assert ours == theirs and len(ours) == 2 * PICTURES

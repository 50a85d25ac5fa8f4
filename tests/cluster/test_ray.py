"""A Ray cluster of two nodes, one of which dies in the middle: all pictures and runs are there once, as without a cluster.

By hand or in its CI job, a few minutes: pip install -r requirements/cluster.txt -r requirements/export.txt; CLUSTER_TESTS=1 python -m pytest tests/cluster
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MOON_OPTIONS, REPOSITORY, make_moon, write_config
from pictures import contents

ray = pytest.importorskip('ray')
psutil = pytest.importorskip('psutil')
pytest.importorskip('onnxruntime')

# needs no torch, whose import takes each process seconds
MODEL = REPOSITORY / 'docs' / 'demo' / 'model.onnx'
# PICTURES=2000 for the large one by hand
PICTURES = int(os.environ.get('PICTURES', '200'))
# nothing drawn while an image is loaded: what was drawn before a resume is not drawn again after it
CONFIG = 'train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))\n'
EPOCHS = 6
SEEDS = ('0', '1', '2')


@pytest.fixture
def nodes():
    """A cluster, and its two nodes of one CPU each."""
    from ray.cluster_utils import Cluster

    # the head has no CPU: it only keeps the books, so that each of the others may die
    cluster = Cluster(True, head_node_args=dict(num_cpus=0, include_dashboard=True))
    try:
        added = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes(timeout=300)
        yield cluster, added
    finally:
        cluster.shutdown()


def power_cut(node, when: Callable[[list[psutil.Process]], object]):
    """End a node as a power cut does, as soon as its processes are at what is looked for; give what was found."""
    raylet = psutil.Process(node.all_processes['raylet'][0].process.pid)
    deadline = time.monotonic() + 1200
    while not (found := when(children := raylet.children(recursive=True))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for process in [raylet, *children]:
        process.send_signal(signal.SIGKILL)
    node.kill_all_processes(check_alive=False)
    return found


def started(command: list, variables: dict[str, str]) -> subprocess.Popen:
    environment = os.environ | dict(variables, OMP_NUM_THREADS='1')
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return subprocess.Popen([*map(str, command)], env=environment, **pipes)


def predict(pictures: Path, out: Path, *arguments: str) -> subprocess.Popen:
    return started([sys.executable, REPOSITORY / 'tools' / 'predict.py', MODEL, pictures, '-o', out, *arguments], {})


def tables(folder: Path) -> list[list[str]]:
    """The rows of both tables, whatever the order in which the pictures came."""
    return [sorted((folder / name).read_text().splitlines()) for name in ('rocks.csv', 'pictures.jsonl')]


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
    assert f'{PICTURES} pictures, ' in said and ' 0 skipped' in said
    alone = predict(pictures, tmp_path / 'alone')
    assert alone.wait(timeout=1800) == 0, alone.stdout.read()
    entries = [json.loads(line) for line in manifest.read_text().splitlines()[1:]]
    assert set(Counter(entry['picture'] for entry in entries).values()) == {1}
    assert len(entries) == PICTURES
    assert tables(out) == tables(tmp_path / 'alone') and len(tables(out)[0]) > PICTURES / 4
    tabular = ('pictures.jsonl', 'rocks.csv', 'rocks.json')
    ours, theirs = (
        {name: content for name, content in contents(folder).items() if name not in tabular}
        for folder in (out, tmp_path / 'alone')
    )
    assert ours == theirs and len(ours) == 2 * PICTURES


def sweep_command(root: Path, name: str, *arguments: str) -> list[str]:
    config = write_config(root / 'small_unet.py', 'unet_baseline', CONFIG)
    options = [*MOON_OPTIONS, 'model.backbone.widths=[4,4,4,4,4]', f'train_cfg.max_epochs={EPOCHS}']
    varied = ['--vary', 'optim_wrapper.optimizer.lr=1e-3,2e-3', '--seeds', *SEEDS]
    places = ['--work-dir', str(root / name), '--report', str(root / f'{name}_report')]
    tool = str(REPOSITORY / 'tools' / 'sweep.py')
    return [sys.executable, tool, str(config), *varied, *places, *arguments, '--cfg-options', *options]


def results(root: Path, name: str) -> dict:
    """What a report says but for when, where and how fast."""

    def timeless(value):
        if isinstance(value, dict):
            left_out = ('date', 'images_per_second', 'minutes', 'machine')
            return {key: timeless(part) for key, part in value.items() if key not in left_out}
        return [timeless(part) for part in value] if isinstance(value, list) else value

    return timeless(json.loads((root / f'{name}_report' / 'results.json').read_text()))


def unfinished_with_a_checkpoint(processes) -> list[Path]:
    """The work dirs of trainings among processes that have something to go on from."""
    found = []
    for process in processes:
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        folders = [Path(word.partition('=')[2]) for word in words if word.startswith('--work-dir=')]
        begun = [folder for folder in folders if (folder / 'epoch_1.pth').exists()]
        found += [folder for folder in begun if not (folder / f'epoch_{EPOCHS}.pth').exists()]
    return found


def test_a_node_dies_and_every_run_is_finished(nodes, tmp_path):
    cluster, (_, second) = nodes
    make_moon(tmp_path / 'moon', count=30)
    environment = dict(MOON_DATA=str(tmp_path / 'moon'))
    sweep = started(sweep_command(tmp_path, 'ray', '--ray', cluster.address), environment)
    broken_off = power_cut(second, unfinished_with_a_checkpoint)
    said = sweep.communicate(timeout=900)[0]
    assert sweep.returncode == 0, said
    assert 'Ray: 3 nodes, 2 CPUs, 0 GPUs; dashboard: http://127.0.0.1:' in said
    assert len(broken_off) == 1, 'one was at work on the node that died'
    (log,) = broken_off[0].glob('sweep.log')
    assert 'resumed epoch' in log.read_text(), 'it went on, and did not begin anew'
    alone = started(sweep_command(tmp_path, 'alone'), environment)
    said = alone.communicate(timeout=1800)[0]
    assert alone.returncode == 0, said
    found, expected = results(tmp_path, 'ray'), results(tmp_path, 'alone')
    assert [len(arm['runs']) for arm in found['arms']] == [len(SEEDS)] * 2
    assert found == expected

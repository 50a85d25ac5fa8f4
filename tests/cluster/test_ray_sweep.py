"""Six short runs on a Ray cluster of two nodes, one of which dies in the middle: all finish, and the report is that of a sweep without.

By hand or in its CI job, a few minutes: pip install -r requirements/cluster.txt; CLUSTER_TESTS=1 python -m pytest tests/cluster
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MOON_OPTIONS, REPOSITORY, make_moon

ray = pytest.importorskip('ray')
psutil = pytest.importorskip('psutil')
from ray_nodes import power_cut, ray_cluster  # noqa: E402

# nothing drawn while an image is loaded: what was drawn before a resume is not drawn again after it
CONFIG = """
_base_ = ['{base}']
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
"""
EPOCHS = 6
SEEDS = ('0', '1', '2')


def sweep_command(root: Path, name: str, *arguments: str) -> list[str]:
    config = root / 'small_unet.py'
    config.write_text(CONFIG.format(base=(REPOSITORY / 'configs' / 'unet_baseline.py').as_posix()))
    options = [*MOON_OPTIONS, 'model.backbone.widths=[4,4,4,4,4]', f'train_cfg.max_epochs={EPOCHS}']
    varied = ['--vary', 'optim_wrapper.optimizer.lr=1e-3,2e-3', '--seeds', *SEEDS]
    places = ['--work-dir', str(root / name), '--report', str(root / f'{name}_report')]
    tool = str(REPOSITORY / 'tools' / 'sweep.py')
    given = [*varied, *places, *arguments, '--cfg-options', *options]
    return [sys.executable, tool, str(config), *given]


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


@pytest.fixture
def nodes():
    with ray_cluster(2, dashboard=True) as nodes:
        yield nodes


def test_a_node_dies_and_every_run_is_finished(nodes, tmp_path):
    cluster, (_, second) = nodes
    make_moon(tmp_path / 'moon', count=30)
    environment = {**os.environ, 'MOON_DATA': str(tmp_path / 'moon'), 'OMP_NUM_THREADS': '1'}
    sweep = subprocess.Popen(
        sweep_command(tmp_path, 'ray', '--ray', cluster.address),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    broken_off = power_cut(second, unfinished_with_a_checkpoint)
    said = sweep.communicate(timeout=900)[0]
    assert sweep.returncode == 0, said
    assert 'Ray: 3 nodes, 2 CPUs, 0 GPUs; dashboard: http://127.0.0.1:' in said
    assert len(broken_off) == 1, 'one was at work on the node that died'
    (log,) = broken_off[0].glob('sweep.log')
    assert 'resumed epoch' in log.read_text(), 'it went on, and did not begin anew'
    one_by_one = sweep_command(tmp_path, 'alone')
    assert subprocess.run(one_by_one, env=environment, stdout=subprocess.DEVNULL).returncode == 0
    by_ray, alone = results(tmp_path, 'ray'), results(tmp_path, 'alone')
    assert [len(arm['runs']) for arm in by_ray['arms']] == [len(SEEDS)] * 2
    assert by_ray == alone

"""Two tasks on two nodes of a SLURM cluster are one run with the double batch, also when it was cancelled in the middle.

By hand or in its CI job, a few minutes: apt-get install slurm-wlm munge; CLUSTER_TESTS=1 python -m pytest tests/cluster
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY, loader_options, make_moon, write_config

import custom_modules.engine  # noqa: F401  (what a checkpoint may hold)
from custom_modules.reporting.runs import read_scalars

if not all(map(shutil.which, ('slurmctld', 'slurmd', 'munged'))):
    pytest.skip('SLURM is not installed', allow_module_level=True)

HERE = Path(__file__).parent
EPOCHS = 4
# unet_baseline, without what depends on how a batch is cut, or is drawn anew after a resume
CONFIG = """
custom_imports = dict(imports=['custom_modules.segmentation', 'fixed_norms'])
custom_hooks = [dict(type='FixedNorms')]
train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))
# without the norms' help, signals have to pass as they are
plain = dict(type='Kaiming', layer=['Conv2d', 'ConvTranspose2d'])
kaiming = dict(plain, _delete_=True)
model = dict(backbone=dict(init_cfg=plain), decode_head=dict(init_cfg=kaiming))
"""


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    """The environment of a command that talks to the cluster."""
    folder = tmp_path_factory.mktemp('slurm')
    root = make_moon(tmp_path_factory.mktemp('moon'), count=42)
    subprocess.run([HERE / 'slurm.sh', 'up', folder], check=True, timeout=120)
    told = dict(SLURM_CONF=folder / 'slurm.conf', MOON_DATA=root, PYTHONPATH=HERE)
    yield os.environ | {key: str(value) for key, value in told.items()} | dict(OMP_NUM_THREADS='1')
    subprocess.run([HERE / 'slurm.sh', 'down', folder], check=True, timeout=120)


def train(root: Path, name: str, tasks: int) -> list[str]:
    config = write_config(root / 'small_unet.py', 'unet_baseline', CONFIG)
    options = [
        *MOON_OPTIONS,
        *loader_options(**{'dataset.val_fraction': 0.25}),
        'model.backbone.widths=[4,8,8,8,8]',
        'model.decode_head.loss_decode.1.per_image=True',
        f'train_dataloader.batch_size={8 // tasks}',
        f'train_cfg.max_epochs={EPOCHS}',
        # Adam divides a gradient that is only rounding by its own size
        'optim_wrapper.optimizer.type=SGD',
        'optim_wrapper.optimizer.lr=0.05',
        'optim_wrapper.optimizer.fused=False',
    ]
    command = [sys.executable, '-u', REPOSITORY / 'tools' / 'train.py', config, '--resume']
    command += ['--work-dir', root / name, '--cfg-options', *options]
    if tasks > 1:
        ways = ['--nodes=2', f'--ntasks={tasks}', '--kill-on-bad-exit=1', '--job-name=rocks']
        command = ['srun', *ways, *command, '--launcher', 'slurm']
    return [str(word) for word in command]


def wait_for(what, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_two_tasks_cancelled_and_resumed_are_one_run_with_the_double_batch(cluster, tmp_path):
    two, one = train(tmp_path, 'two', 2), train(tmp_path, 'one', 1)
    first = subprocess.Popen(two, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: (tmp_path / 'two' / 'epoch_1.pth').exists() or first.poll() is not None)
    subprocess.run(['scancel', '--name=rocks'], env=cluster, check=True)
    said = first.communicate(timeout=120)[0].decode()
    assert first.returncode != 0 and 'CANCELLED' in said, said
    assert not (tmp_path / 'two' / f'epoch_{EPOCHS}.pth').exists()
    subprocess.run(two, env=cluster, check=True, timeout=300)
    subprocess.run(one, env=cluster, check=True, timeout=300)
    starts = sorted((tmp_path / 'two').glob('2*/*.log'))
    assert len(starts) == 2 and 'resumed epoch' in starts[1].read_text()
    (_, scores), (_, expected) = (read_scalars(tmp_path / name) for name in ('two', 'one'))
    assert list(scores.index) == list(range(1, EPOCHS + 1))
    for name in ('aAcc', 'mIoU', 'mDice', 'rock_Dice'):
        assert scores[name].tolist() == pytest.approx(expected[name].tolist(), abs=0.05), name
    assert len(set(expected['rock_Dice'])) > 1, 'it learns'
    weights, wanted = (
        torch.load(tmp_path / name / f'epoch_{EPOCHS}.pth', weights_only=True)['state_dict'] for name in ('two', 'one')
    )
    for name, tensor in wanted.items():
        torch.testing.assert_close(tensor, weights[name], rtol=1e-3, atol=1e-5)


def test_jobs_of_an_array_share_a_sweep(cluster, tmp_path):
    tool, config = REPOSITORY / 'tools/sweep.py', REPOSITORY / 'configs/unet_baseline.py'
    sweep = [sys.executable, tool, config, '--work-dir', tmp_path / 'sweep']
    sweep += ['--seeds', '0', '1', '2', '--cfg-options', *MOON_OPTIONS]
    words = ' '.join(f"'{word}'" for word in [*sweep, 'model.backbone.widths=[4,4,4,4,4]'])
    array = ['sbatch', '--wait', '--array=1-2', f'--output={tmp_path}/job_%a.txt', '--wrap', words]
    subprocess.run(array, env=cluster, check=True, timeout=600)
    for job in (1, 2):
        assert (tmp_path / f'job_{job}.txt').read_text().count('| finished |') == 3
    starts = [len(list(run.glob('2*'))) for run in (tmp_path / 'sweep' / 'unet_baseline').glob('seed_*')]
    assert starts == [1, 1, 1], 'each was trained once'

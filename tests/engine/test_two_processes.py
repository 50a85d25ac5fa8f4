"""Two processes are one run: its losses, weights and scores, one set of files."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from conftest import MOON_OPTIONS, REPOSITORY, free_port, loader_options, make_moon, make_tiny_imagenet

SCRIPT = str(Path(__file__).with_name('two_processes.py'))
KINDS = dict(
    segmentor=dict(
        config='unet_backbone_unfreeze',
        data='MOON_DATA',
        options=[*MOON_OPTIONS, *loader_options(**{'dataset.val_fraction': 0.25}), 'model.backbone.init_cfg=None'],
        batch=8,
        scores=['aAcc', 'mIoU', 'mDice', 'rock_Dice', 'rock_Recall'],
        exact=['rock_Dice', 'rock_image_Dice', 'rock_object_F1', 'mIoU', 'mDice', 'aAcc'],
    ),
    classifier=dict(
        config='classifier',
        data='TINY_IMAGENET',
        options=[
            *('model.head.in_channels=8', 'model.head.num_classes=8', 'test_dataloader.batch_size=16'),
            *('train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1'),
        ],
        batch=12,
        scores=['accuracy/top1', 'accuracy/top5', 'report/macro_f1'],
        exact=['accuracy/top1', 'accuracy/top5', 'report/macro_f1', 'report/macro_recall'],
    ),
)


def arguments(root, name: str) -> list[str]:
    kind, two = KINDS[root.name], name == 'two'
    options = [
        *kind['options'],
        'model.backbone.widths=[4,8,8,8,8]',
        f'train_dataloader.batch_size={kind["batch"] // (1 + two)}',
        'val_dataloader.batch_size=2',
        'train_cfg.max_epochs=2',
        # Adam divides a gradient that is only rounding by its own size
        'optim_wrapper.optimizer.type=SGD',
        'optim_wrapper.optimizer.lr=0.1',
    ]
    flags = ['--work-dir', root / name, '--record', root / name]
    flags += ['--launcher', 'pytorch'] * two + ['--score', root / 'two.scored.pth'] * (name == 'again')
    return [str(a) for a in (SCRIPT, REPOSITORY / f'configs/{kind["config"]}.py', *flags, '--cfg-options', *options)]


def start(roots, rank: int, port: int) -> subprocess.Popen:
    """One of two, told what torchrun tells it (whose own start takes as long as the run); it trains one kind after the other."""
    told = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=2, MASTER_ADDR='127.0.0.1', MASTER_PORT=port, OMP_NUM_THREADS=1)
    told |= {KINDS[root.name]['data']: root / 'data' for root in roots}
    code = f'import runpy, sys\nfor sys.argv in {[arguments(root, "two") for root in roots]}:\n'
    return subprocess.Popen(
        [sys.executable, '-c', f'{code}    runpy.run_path(sys.argv[0], run_name="__main__")'],
        cwd=roots[0],
        env=os.environ | {key: str(value) for key, value in told.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_here(root, name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KINDS[root.name]['data'], str(root / 'data'))
        patch.setattr(sys, 'argv', arguments(root, name))
        # the script changes it for its process
        patch.setattr(nn.BatchNorm2d, 'train', nn.BatchNorm2d.train)
        runpy.run_path(SCRIPT, run_name='__main__')


def make_data(root) -> None:
    """Whole batches to train with, of two epochs; to validate one too few for two processes, which repeat the first."""
    if root.parent.name == 'segmentor':
        make_moon(root, count=21)
        return
    make_tiny_imagenet(root, [f'n{i:08d}' for i in range(8)])
    listed = root / 'val' / 'val_annotations.txt'
    listed.write_text(''.join(listed.read_text().splitlines(keepends=True)[:-1]))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    root, port = tmp_path_factory.mktemp('processes'), free_port()
    roots = [root / kind for kind in KINDS]
    for root in roots:
        make_data(root / 'data')
    started = [start(roots, rank, port) for rank in (0, 1)]
    for root in roots:
        run_here(root, 'one')
    outputs = [process.communicate(timeout=300)[0][-3000:] for process in started]
    assert [process.returncode for process in started] == [0, 0], '\n'.join(outputs)
    for root in roots:
        # the file of the two, by one
        run_here(root, 'again')
    return {root.name: root for root in roots}


@pytest.fixture(scope='module', params=KINDS)
def runs(request, trained):
    root = trained[request.param]
    return root, {n: json.loads((root / f'{n}.json').read_text()) for n in ('one_0', 'two_0', 'two_1')}


def test_weights_and_scores_are_those_of_the_double_batch(runs):
    """So each process saw half of every batch, and none the other's half."""
    root, said = runs
    one, two, other = (torch.load(root / f'{n}.pth') for n in ('one_0', 'two_0', 'two_1'))
    start = torch.load(root / 'one' / 'epoch_1.pth', weights_only=True)['state_dict']
    moved = 0
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-3, atol=1e-5)
        assert torch.equal(two[name], other[name]), name
        moved += not torch.equal(tensor, start[name])
    assert moved > 10, 'the second epoch trained'
    assert said['two_0'] == said['two_1']
    for ours, theirs in zip(said['one_0'], said['two_0'], strict=True):
        for name in KINDS[root.name]['scores']:
            assert ours[name] == pytest.approx(theirs[name], abs=0.05), name


def test_one_checkpoint_has_one_score(runs):
    root, _ = runs
    names = KINDS[root.name]['exact']
    one, two, other = (json.loads((root / f'{name}_scored.json').read_text()) for name in ('again_0', 'two_0', 'two_1'))
    for name in names:
        assert one[name] == two[name] == other[name], name
    # a score that could differ
    assert 0 < one[names[0]] < 100


def test_one_process_writes(runs):
    root, _ = runs
    for name in ('one', 'two'):
        files = [path.name for path in (root / name).rglob('*') if path.is_file()]
        assert files.count('scalars.json') == 1 and 'epoch_2.pth' in files

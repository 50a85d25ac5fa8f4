"""A run that is killed, wherever it was, and resumed ends in the weights of the run that was not, to the last bit."""

import os
import random
import signal
from pathlib import Path

import pytest
import torch
from conftest import free_port, loader_options, write_config
from mmengine.runner import ValLoop
from short_runs import SMALL, before_step, command, differing, forked, kill_me, killed_when, run_tool, weights

pytestmark = pytest.mark.usefixtures('data')
# what follows from (seed, iteration) alone, in a segmentor
PLAIN = 'train_dataloader = dict(dataset=dict(pipeline=_base_.plain_pipeline))\n'
BATCHES = f'model = dict(data_preprocessor=_base_.batch_augments.default)\n{PLAIN}'
PLATEAU = 'param_scheduler = _base_.schedulers.plateau\nparam_scheduler[0].update(patience=0, monitor="val_loss", rule="less", threshold=10.0)\n'
# whatever a config of this project offers that keeps a state between steps or epochs
OFFERED = {
    'one_cycle': 'param_scheduler = _base_.schedulers.one_cycle\n',
    'early stopping': 'default_hooks = dict(early_stopping=dict(monitor="val_loss", rule="less", patience=2, min_delta=10.0))\n',
    'several best': 'default_hooks = dict(checkpoint=dict(save_best=["rock_Dice", "val_loss"], rule=["greater", "less"]))\n',
    'bfloat16 and accumulated gradients': 'optim_wrapper = dict(type="BFloat16OptimWrapper", accumulative_counts=2)\n',
    'whole batches on the device': 'train_dataloader = _base_.whole_batches\n',
}
NARROW = 'widths=(4, 4, 4, 4, 4), init_cfg=None'
UNFREEZING = (
    f'model = dict(backbone=dict({NARROW}), data_preprocessor=_base_.batch_augments.default)\n{PLAIN}'
    'default_hooks = dict(freeze_schedule=dict(schedule={0: 4, 1: 2, 2: -1}, _delete_=True, type="FreezeScheduleHook"))\n'
)
CACHED = f'model = dict(backbone=dict({NARROW}))\n{PLAIN}default_hooks = dict(feature_cache=dict(enabled=True))\n'
THREE_CLASSES = (
    'wnids = ["n00000001", "n00000002", "n00000003"]\n'
    'data = dict(dataset=dict(wnids=wnids))\n'
    'train_dataloader = dict(data, batch_size=8)\n'
    'val_dataloader = data\ntest_dataloader = data\n'
    'model = dict(head=dict(num_classes=3, topk=(1,)))\n'
    'val_evaluator = [dict(type="{metric}")]\ntest_evaluator = val_evaluator\n'
)
GROWING = THREE_CLASSES.format(metric='BatchAccuracy') + (
    'model.update(backbone=dict(widths=(4, 4, 4, 4, 4)))\nmodel["head"].update(in_channels=4)\n'
    'val_evaluator[0].update(topk=(1,))\n'
    'default_hooks = dict(checkpoint=dict(interval=1))\ntrain_cfg = dict(val_interval=1)\n'
)
MIXUP = 'model.update(data_preprocessor=dict(num_classes=3), train_cfg=dict(augments=dict(type="Mixup", alpha=1.0)))\n'
WORKERS = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
# base, what is added to it, and the options of the run that is killed and resumed; the whole one has no workers
RUNS = {
    **{name: ('unet_baseline', BATCHES + text, []) for name, text in OFFERED.items()},
    'stages that are unfrozen': ('unet_backbone_unfreeze', UNFREEZING, []),
    'cached features': ('unet_backbone_frozen', CACHED, []),
    'growing images, merged groups and warmed-up averages of a classifier': ('classifier', GROWING, []),
    # drawn by seed, epoch and sample; dropout draws in the network
    'a segmentor whose samples draw': ('unet_baseline', 'model = dict(decode_head=dict(dropout_ratio=0.3))\n', WORKERS),
    'a classifier whose samples and batches draw': (
        'reference/report2_simple_net_classifier', THREE_CLASSES.format(metric='Accuracy') + MIXUP, WORKERS),
}  # fmt: skip


def require_the_same(whole: Path, pieces: Path) -> list[str]:
    """Compare the checkpoints of two runs to the last bit; returns their names."""
    names = sorted(file.name for file in whole.glob('*.pth'))
    assert names == sorted(file.name for file in pieces.glob('*.pth'))
    assert not any('unfinished' in file.name for file in pieces.iterdir())
    for file in names:
        assert not differing(weights(whole / file), weights(pieces / file)), file
    return names


@pytest.mark.parametrize('name', RUNS)
def test_whatever_a_config_offers_goes_on_as_it_was(name, tmp_path):
    base, text, options = RUNS[name]
    path = write_config(tmp_path / 'experiment.py', base, text)
    small = [*SMALL] if 'unet' in base else [*loader_options(), 'train_cfg.max_epochs=3']
    small += ['model.backbone.widths=[4,4,4,4,4]'] * ('backbone' in base)
    whole, pieces = tmp_path / 'whole', tmp_path / 'zweiter Lauf ü'
    assert run_tool(*command(path, whole, small=small)) == 0
    broken_off = command(path, pieces, small=small, options=options)
    # in the third epoch, all checkpoints being written
    assert killed_when(broken_off, before_step(2, kill_me, index=1), tmp_path) == -signal.SIGKILL
    assert (pieces / 'epoch_2.pth').is_file() and not (pieces / 'epoch_3.pth').exists()
    assert run_tool(*command(path, pieces, '--resume', small=small, options=options)) == 0
    names = require_the_same(whole, pieces)
    # averages and moments too
    last = [torch.load(folder / names[-1], weights_only=True) for folder in (whole, pieces)]
    assert repr(last[0].get('optimizer')) == repr(last[1].get('optimizer'))
    require_tested(path, pieces / 'epoch_3.pth', small)


def require_tested(config: Path, checkpoint: Path, small=SMALL) -> None:
    """What a run wrote can be tested."""
    folder = config.parent / 'test'
    test = ['test.py', str(config), str(checkpoint), '--work-dir', str(folder)]
    assert run_tool(*test, *command(config, folder, small=small)[4:]) == 0


def in_write(name: str, after: bool):
    """Kill when a file has been written, before it gets its name or after."""

    def moment() -> None:
        replace = os.replace

        def killing(source, target, **kwargs):
            if os.path.basename(target) == name and not after:
                kill_me()
            replace(source, target, **kwargs)
            if os.path.basename(target) == name:
                kill_me()

        os.replace = killing

    return moment


def in_the_second_validation() -> None:
    plain, calls = ValLoop.run_iter, []

    def killing(*args):
        calls.append(1)
        if len(calls) == 2:
            kill_me()
        return plain(*args)

    ValLoop.run_iter = killing


BEST = 'best_val_loss_epoch_2.pth'
# and the epochs whose best and own checkpoints are there then
MOMENTS = {
    'a checkpoint without its name': (in_write('epoch_2.pth', after=False), [1], [1]),
    'a checkpoint that no note names': (in_write('epoch_2.pth', after=True), [1], [1, 2]),
    'the best one without its name': (in_write(BEST, after=False), [1], [1, 2]),
    'two best ones': (in_write(BEST, after=True), [1, 2], [1, 2]),
    'a validation': (in_the_second_validation, [1], [1, 2]),
    'the first step': (before_step(0, kill_me), [], []),
}


@pytest.fixture(scope='module')
def unbroken(data, tmp_path_factory):
    """The run that nothing broke off: plateau, early stopping and averages wait for its scores."""
    folder = tmp_path_factory.mktemp('unbroken')
    hooks = 'default_hooks = dict(ema=_base_.ema, checkpoint=dict(save_best="val_loss", rule="less"))\n'
    path = write_config(folder / 'experiment.py', 'unet_baseline', f'{BATCHES}{PLATEAU}{hooks}')
    assert run_tool(*command(path, folder / 'run')) == 0
    return path, folder / 'run'


@pytest.mark.parametrize('name', MOMENTS)
def test_killed_at_a_moment(name, unbroken, tmp_path):
    path, whole = unbroken
    pieces, (moment, best, own) = tmp_path / 'run', MOMENTS[name]
    assert killed_when(command(path, pieces), moment, tmp_path) == -signal.SIGKILL
    there = [f'best_val_loss_epoch_{epoch}.pth' for epoch in best] + [f'epoch_{epoch}.pth' for epoch in own]
    assert sorted(file.name for file in pieces.glob('*.pth')) == there
    assert run_tool(*command(path, pieces, '--resume')) == 0
    require_the_same(whole, pieces)


def test_killed_at_random_again_and_again(unbroken, tmp_path):
    path, whole = unbroken
    pieces, seconds = tmp_path / 'run', random.Random(0)
    for _ in range(5):
        # about as long as a run takes at most
        limit = seconds.uniform(0.05, 0.6)

        def moment(limit=limit) -> None:
            signal.signal(signal.SIGALRM, lambda *_: kill_me())
            signal.setitimer(signal.ITIMER_REAL, limit)

        code = killed_when(command(path, pieces, '--resume'), moment, tmp_path)
        assert code in (0, -signal.SIGKILL), (tmp_path / 'output.txt').read_text()[-2000:]
    assert run_tool(*command(path, pieces, '--resume')) == 0
    require_the_same(whole, pieces)
    require_tested(path, pieces / 'epoch_3.pth')


def test_one_of_two_processes_is_killed(tmp_path):
    """The other says so, and both go on from what was saved."""

    def run(moment, *flags) -> list[int]:
        port, processes = free_port(), []
        for rank in (0, 1):
            told = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=2, MASTER_PORT=port)

            def begin(told=told) -> None:
                os.environ.update({name: str(value) for name, value in told.items()})
                os.environ['MASTER_ADDR'] = '127.0.0.1'
                if told['RANK']:
                    moment()

            (tmp_path / str(rank)).mkdir(exist_ok=True)
            options = ['train_dataloader.batch_size=2', 'train_cfg.max_epochs=2']
            argv = command('unet_baseline', tmp_path / 'run', '--launcher', 'pytorch', *flags, options=options)
            processes.append(forked(argv, begin, tmp_path / str(rank)))
        for process in processes:
            process.join(240)
        return [process.exitcode for process in processes]

    assert run(before_step(1, kill_me)) == [2, -signal.SIGKILL]
    said = (tmp_path / '0' / 'output.txt').read_text()
    assert 'error: another process of this run has ended' in said and 'Traceback' not in said
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
    assert run(lambda: None, '--resume') == [0, 0]
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()

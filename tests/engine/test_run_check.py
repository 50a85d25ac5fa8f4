"""What waits for a score: it exists, is the same after a resume, and leads where it should."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import MOON_OPTIONS, fresh_process
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from custom_modules.engine.config import load_config, read_options
from custom_modules.engine.data_checks import require_a_batch
from custom_modules.engine.optim import GroupOneCycleLR
from custom_modules.utils.errors import UsageError
from custom_modules.visualization.visualizer import ScoreLogProcessor

SCRIPT = [10.0, 20.0, 15.0, 14.0, 13.0, 30.0, 12.0, 11.0]


@HOOKS.register_module()
class ScriptedScoreHook(Hook):
    """Replaces the validated score by the script's, so that a test knows what should happen."""

    priority = 'VERY_HIGH'

    def after_val_epoch(self, runner, metrics):
        if runner.train_loop.epoch:
            metrics['rock_Dice'] = SCRIPT[runner.epoch - 1]


def runner(repository, moon, work_dir, *options, resume=False, scripted=True, **changes) -> Runner:
    """A small network from random weights."""
    fresh_process()
    small = read_options(['model.backbone.widths=(4,4,8)', *MOON_OPTIONS, *options])
    cfg = load_config(repository / 'configs' / 'unet_baseline.py', small, work_dir)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(moon)
    if scripted:
        cfg.default_hooks.script = dict(type='ScriptedScoreHook')
    cfg.resume = resume
    cfg.merge_from_dict(changes)
    return Runner.from_cfg(cfg)


@HOOKS.register_module()
class InterruptHook(Hook):
    """Ends the process's training before an epoch, as Ctrl-C would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            raise KeyboardInterrupt


def scalars(work_dir) -> list[dict]:
    lines = [p.read_text().splitlines() for p in sorted(work_dir.glob('*/vis_data/scalars.json'))]
    return [json.loads(line) for part in lines for line in part]


def train(*args, epochs, **kwargs) -> Runner:
    run = runner(*args, f'train_cfg.max_epochs={epochs}', **kwargs)
    run.train()
    return run


def test_early_stopping_is_the_same_after_a_resume(repository, moon, tmp_path):
    """Best in epoch 2; with a patience of 3 the fifth epoch is the last, in one go or in pieces."""
    patience = 'default_hooks.early_stopping.patience=3'
    whole = train(repository, moon, tmp_path / 'whole', patience, epochs=8)
    assert whole.epoch == 5
    pieces = tmp_path / 'pieces'
    assert train(repository, moon, pieces, patience, epochs=3).epoch == 3
    assert train(repository, moon, pieces, patience, epochs=4, resume=True).epoch == 4
    last = train(repository, moon, pieces, patience, epochs=8, resume=True)
    assert last.epoch == 5
    # what has stopped stays stopped, unless there is more patience
    assert train(repository, moon, pieces, patience, epochs=8, resume=True).epoch == 5
    more = 'default_hooks.early_stopping.patience=4'
    assert train(repository, moon, pieces, more, epochs=6, resume=True).epoch == 6


def test_a_checkpoint_knows_its_own_score(repository, moon, tmp_path):
    # the third is not the best: for a best one mmengine writes the epoch's checkpoint again
    train(repository, moon, tmp_path / 'run', epochs=3)
    saved = torch.load(tmp_path / 'run' / 'epoch_3.pth', weights_only=True)
    hub = saved['message_hub']
    assert hub['runtime_info']['best_score'] == 20.0
    assert hub['runtime_info']['early_stopping']['best_score'] == 20.0
    # it was written before its validation, which a resume repeats
    assert hub['runtime_info']['last_validation'] == 2
    assert len(hub['log_scalars']['val/mDice'].data[0]) == 2
    run = train(repository, moon, tmp_path / 'run', epochs=3, resume=True)
    assert run.message_hub.get_info('early_stopping')['wait_count'] == 1
    assert len(run.message_hub.get_scalar('val/mDice').data[0]) == 3
    # nothing is validated twice where the checkpoint knows it: that of a best score is written again
    run = train(repository, moon, tmp_path / 'best', epochs=2)
    run = train(repository, moon, tmp_path / 'best', epochs=2, resume=True)
    assert len(run.message_hub.get_scalar('val/mDice').data[0]) == 2


def best_checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('best_*'))


def test_a_run_from_another_ones_checkpoint_leaves_its_best_alone(repository, moon, tmp_path):
    """Its second epoch, 20, is the best; what follows reaches 15, 14, 13 first: less, and yet the best of its own."""
    first, second = tmp_path / 'first', tmp_path / 'second'
    train(repository, moon, first, epochs=2)
    other = dict(load_from=str(first / 'epoch_2.pth'), resume=True)
    train(repository, moon, second, epochs=4, **other)
    assert best_checkpoints(first) == ['best_rock_Dice_epoch_2.pth']
    assert best_checkpoints(second) == ['best_rock_Dice_epoch_3.pth']
    # its own is replaced as ever
    train(repository, moon, second, epochs=6, resume=True)
    assert best_checkpoints(second) == ['best_rock_Dice_epoch_6.pth']


def test_the_best_checkpoint_goes_after_the_better_one_is_there(
    repository, moon, tmp_path, monkeypatch
):
    save = Runner.save_checkpoint

    def killed_at_the_second_best(self, out_dir, filename, *args, **kwargs):
        if filename == 'best_rock_Dice_epoch_2.pth':
            raise KeyboardInterrupt
        save(self, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, 'save_checkpoint', killed_at_the_second_best)
    with pytest.raises(KeyboardInterrupt):
        train(repository, moon, tmp_path / 'run', epochs=2)
    assert best_checkpoints(tmp_path / 'run') == ['best_rock_Dice_epoch_1.pth']


@pytest.mark.parametrize(
    'option',
    [
        'default_hooks.checkpoint.save_best=val_loss',
        'default_hooks.early_stopping.monitor=val_loss',
    ],
)
def test_a_score_of_which_less_is_better(option, repository, moon, tmp_path):
    run = runner(repository, moon, tmp_path / 'run', option, scripted=False)
    with pytest.raises(UsageError, match="'val_loss' with rule='greater' .* set its rule='less'"):
        run.train()


def plateau(patience) -> dict:
    return dict(
        param_scheduler=[
            dict(
                type='ReduceOnPlateauLR',
                monitor='rock_Dice',
                rule='greater',
                factor=0.5,
                patience=patience,
            )
        ]
    )


def rates(work_dir) -> list[float]:
    return [row['lr'] for row in scalars(work_dir) if 'lr' in row and 'loss' in row]


def test_plateau_is_the_same_after_a_resume(repository, moon, tmp_path):
    """Best in epoch 2; after more than one bad epoch the rate halves, seen in epoch 5."""
    log = ('default_hooks.logger.interval=1',)
    whole, pieces = tmp_path / 'whole', tmp_path / 'pieces'
    train(repository, moon, whole, *log, epochs=5, **plateau(1))
    interrupt = {'default_hooks.interrupt': dict(type='InterruptHook', epoch=3)}
    with pytest.raises(KeyboardInterrupt):
        train(repository, moon, pieces, *log, epochs=5, **plateau(1), **interrupt)
    train(repository, moon, pieces, *log, epochs=5, resume=True, **plateau(1))
    assert rates(whole) == rates(pieces)
    assert rates(whole)[-1] == pytest.approx(rates(whole)[0] / 2)
    assert rates(whole)[-3] == rates(whole)[0]


@pytest.mark.parametrize(
    ('option', 'who'),
    [
        ('default_hooks.checkpoint.save_best=rock_dice', 'save_best'),
        ('default_hooks.early_stopping.monitor=rock_dice', 'early stopping'),
        ('param_scheduler.1.monitor=rock_dice', 'ReduceOnPlateauLR'),
    ],
)
def test_a_score_that_no_metric_produces(option, who, repository, moon, tmp_path):
    changes = {}
    options = [option]
    if 'param_scheduler' in option:
        options, changes = [], plateau(3)
        changes['param_scheduler'][0]['monitor'] = 'rock_dice'
    run = runner(repository, moon, tmp_path / 'run', *options, scripted=False, **changes)
    with pytest.raises(UsageError, match=f"{who}.* waits for the score 'rock_dice'") as error:
        run.train()
    for there_is in ('rock_Dice', 'rock_IoU', 'mDice', 'aAcc', 'val_loss_bce', 'val_loss'):
        assert f'{there_is},' in str(error.value) or f'{there_is}:' in str(error.value)
    assert run.iter == 0


def test_a_training_set_without_a_batch(repository, moon, tmp_path):
    options = ['train_dataloader.batch_size=64', 'train_dataloader.drop_last=True']
    run = runner(repository, moon, tmp_path / 'run', *options)
    with pytest.raises(UsageError, match='8 training images give no batch of 64'):
        require_a_batch(run)


def test_another_number_of_epochs_after_a_resume_is_said(repository, moon, tmp_path):
    train(repository, moon, tmp_path / 'run', epochs=1)
    run = train(repository, moon, tmp_path / 'run', epochs=2, resume=True)
    log = (Path(run.log_dir) / f'{run.timestamp}.log').read_text()
    assert 'Resumed with max_epochs=2, but the schedulers were made for 1' in log


def test_another_rate_after_a_resume_is_said(repository, moon, tmp_path):
    train(repository, moon, tmp_path / 'run', epochs=2)
    said = 'other settings of the optimizer or its schedulers, which change nothing'
    for rate in ('0.002', '0.001'):
        option = f'optim_wrapper.optimizer.lr={rate}'
        run = train(repository, moon, tmp_path / 'run', option, epochs=2, resume=True)
        log = (Path(run.log_dir) / f'{run.timestamp}.log').read_text()
        assert (said in log) == (rate == '0.001')


def test_validation_loss_equals_the_training_loss_of_the_same_images(repository, moon, tmp_path):
    run = runner(repository, moon, tmp_path / 'run', scripted=False)
    run.train()
    (row,) = [row for row in scalars(tmp_path / 'run') if 'val_loss' in row]
    model = run.model.eval()
    losses = []
    with torch.no_grad():
        for batch in run.val_dataloader:
            data = model.data_preprocessor(batch, False)
            losses.append(model.loss(data['inputs'], data['data_samples']))
    for name in ('bce', 'dice'):
        expected = np.mean([float(loss[f'decode.loss_{name}']) for loss in losses])
        assert row[f'val_loss_{name}'] == pytest.approx(expected, rel=1e-3)
    assert row['val_loss'] == pytest.approx(row['val_loss_bce'] + row['val_loss_dice'], rel=1e-3)


def test_logged_validation_loss_is_that_of_its_epoch():
    hub = MessageHub.get_instance('validation_loss')
    for name in ('val/val_loss', 'val/val_loss_bce', 'train/loss'):
        for value in (3.0, 1.0):
            hub.update_scalar(name, value)
    loop = SimpleNamespace(dataloader=[0])
    run = SimpleNamespace(message_hub=hub, epoch=2, iter=2, val_loop=loop, _train_loop={})
    logged, _ = ScoreLogProcessor().get_log_after_epoch(run, 0, 'val')
    assert logged['val_loss'] == logged['val_loss_bce'] == 1.0
    # a training line is still the mean of its window
    collected = ScoreLogProcessor()._collect_scalars([], run, 'train')
    assert collected['loss'] == 2.0


def test_averaged_weights_are_validated_and_saved(repository, moon, tmp_path):
    ema = dict(type='EMAHook', momentum=0.02, update_buffers=True)
    run = runner(repository, moon, tmp_path / 'run', **{'default_hooks.ema': ema})
    run.train()
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)
    key = 'decode_head.conv_seg.weight'
    trained = run.model.state_dict()[key]
    averaged = next(h for h in run.hooks if hasattr(h, 'ema_model')).ema_model.module
    torch.testing.assert_close(saved['state_dict'][key], averaged.state_dict()[key])
    assert not torch.equal(saved['state_dict'][key], trained)


def test_one_cycle_leads_each_group_to_its_own_rate(repository, moon, tmp_path):
    parts = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [dict(params=[parts[0]], lr=1.0), dict(params=[parts[1]], lr=0.1)]
    optimizer = torch.optim.SGD(groups)
    scheduler = GroupOneCycleLR(optimizer, by_epoch=False, begin=0, end=20)
    seen = []
    for _ in range(20):
        seen.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    seen = np.array(seen)
    np.testing.assert_allclose(seen.max(axis=0), [1.0, 0.1], rtol=1e-6)
    np.testing.assert_allclose(seen[:, 0], 10 * seen[:, 1])
    assert 0 < seen.argmax(axis=0)[0] < 10 and seen[-1, 0] < seen[0, 0] < 0.05


@pytest.mark.parametrize('name', ['one_cycle', 'step', 'plateau'])
def test_schedulers_by_one_line(name, repository, moon, tmp_path, tool, monkeypatch):
    monkeypatch.setenv('MOON_DATA', str(moon))
    config = tmp_path / f'{name}.py'
    config.write_text(
        f"_base_ = ['{repository}/configs/unet_baseline.py']\n"
        f'param_scheduler = _base_.schedulers.{name}\n'
        'model = dict(decode_head=dict(loss_decode=_base_.losses.tversky))\n'
        'default_hooks = dict(ema=_base_.ema)\n'
    )
    options = ['--cfg-options', *MOON_OPTIONS, 'model.backbone.widths=(4,4,8)']
    run = tmp_path / 'run'
    assert tool('train.py', config, '--work-dir', run, *options) == 0
    assert any('decode.loss_tversky' in row for row in scalars(run))
    dumped = (run / f'{name}.py').read_text()
    assert 'schedulers = ' not in dumped and 'losses = ' not in dumped, 'the dump holds what ran'

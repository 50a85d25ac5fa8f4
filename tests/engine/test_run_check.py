"""What waits for a score: it exists, is the same after a resume, and leads where it should."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MOON_OPTIONS, fresh_process, logged
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from custom_modules.datasets.mask_datasets import SegBatch
from custom_modules.engine.config import load_config, read_options
from custom_modules.engine.optim import GroupOneCycleLR
from custom_modules.utils.errors import UsageError

SCRIPT = [10.0, 20.0, 15.0, 14.0, 13.0, 30.0, 12.0, 11.0]
PLATEAU = dict(type='ReduceOnPlateauLR', monitor='rock_dice', rule='greater', patience=3)


@HOOKS.register_module()
class ScriptedScoreHook(Hook):
    """Replaces the validated score by the script's, so that a test knows what should happen."""

    priority = 'VERY_HIGH'

    def after_val_epoch(self, runner, metrics):
        if runner.train_loop.epoch:
            metrics['rock_Dice'] = SCRIPT[runner.epoch - 1]


@pytest.fixture
def train(repository, moon):
    """Train a small network from random weights; returns the runner."""

    def run(work_dir, *options, epochs=1, resume=False, scripted=True, **changes) -> Runner:
        fresh_process()
        small = ['model.backbone.widths=(4,4,8)', *MOON_OPTIONS, f'train_cfg.max_epochs={epochs}', *options]
        cfg = load_config(repository / 'configs' / 'unet_baseline.py', read_options(small), work_dir)
        if scripted:
            cfg.default_hooks.script = dict(type='ScriptedScoreHook')
        cfg.resume = resume
        cfg.merge_from_dict(changes)
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner

    return run


def test_early_stopping_is_the_same_after_a_resume(train, tmp_path):
    """Best in epoch 2; with a patience of 3 the fifth epoch is the last, in one go or in pieces."""
    patience = 'default_hooks.early_stopping.patience=3'
    assert train(tmp_path / 'whole', patience, epochs=8).epoch == 5
    pieces = tmp_path / 'pieces'
    assert train(pieces, patience, epochs=3).epoch == 3
    assert train(pieces, patience, epochs=4, resume=True).epoch == 4
    assert train(pieces, patience, epochs=8, resume=True).epoch == 5
    # what has stopped stays stopped, unless there is more patience
    assert train(pieces, patience, epochs=8, resume=True).epoch == 5
    assert train(pieces, 'default_hooks.early_stopping.patience=4', epochs=6, resume=True).epoch == 6


def best_checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('best_*'))


def test_a_run_from_another_ones_checkpoint_leaves_its_best_alone(train, tmp_path):
    """Its second epoch, 20, is the best; what follows reaches 15, 14, 13 first: less, and yet the best of its own."""
    first, second = tmp_path / 'first', tmp_path / 'second'
    train(first, epochs=2)
    train(second, epochs=4, load_from=str(first / 'epoch_2.pth'), resume=True)
    assert best_checkpoints(first) == ['best_rock_Dice_epoch_2.pth']
    # with its folder the run itself has moved
    moved = first.rename(tmp_path / 'moved')
    train(moved, epochs=4, load_from=str(moved / 'epoch_2.pth'), resume=True)
    assert best_checkpoints(moved) == ['best_rock_Dice_epoch_2.pth']
    assert best_checkpoints(second) == ['best_rock_Dice_epoch_3.pth']
    # its own is replaced as ever
    train(second, epochs=6, resume=True)
    assert best_checkpoints(second) == ['best_rock_Dice_epoch_6.pth']


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'default_hooks.checkpoint.save_best': 'rock_dice'}, 'save_best.* for the score'),
        ({'default_hooks.early_stopping.monitor': 'rock_dice'}, 'early stopping.* for the score'),
        (dict(param_scheduler=[PLATEAU]), 'PlateauLR.* for the score .* rock_Dice, .*val_loss_bce, .*val_loss: change'),
        ({'default_hooks.checkpoint.save_best': 'val_loss'}, "'greater' .* set its rule='less'"),
        ({'default_hooks.early_stopping.monitor': 'val_loss'}, "'greater' .* set its rule='less'"),
    ],
)
def test_a_score_that_no_metric_produces_or_of_which_less_is_better(changes, words, train, tmp_path):
    with pytest.raises(UsageError, match=words):
        train(tmp_path / 'run', scripted=False, **changes)
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_with_one_step_an_epoch_the_warm_up_ends_and_each_epoch_has_its_own_loss(train, tmp_path):
    run = train(tmp_path / 'run', 'train_dataloader.batch_size=64', epochs=2)
    rows = [row for row in logged(tmp_path / 'run') if 'lr' in row]
    # 2e-3, and half way of the cosine to a hundredth
    assert [row['lr'] for row in rows] == pytest.approx([2e-3, 1.01e-3])
    assert [row['loss'] for row in rows] == pytest.approx(list(run.message_hub.log_scalars['train/loss'].data[0]))
    # worker processes join what they hand over
    assert isinstance(next(iter(run.train_dataloader))['data_samples'], SegBatch)


def test_a_checkpoint_holds_the_config_of_its_time(train, tmp_path):
    """Formatted once, and anew when it has changed."""
    runner = train(tmp_path)
    assert runner.cfg.pretty_text is runner.cfg.pretty_text
    for changed in (False, True):
        if changed:
            runner.cfg.train_cfg.max_epochs = 77
            runner.save_checkpoint(str(tmp_path), 'epoch_1.pth')
        saved = torch.load(tmp_path / 'epoch_1.pth')['meta']['cfg']
        assert saved == Config(runner.cfg.to_dict()).pretty_text and ('max_epochs=77' in saved) == changed


def test_what_a_resume_does_not_change_is_said(train, tmp_path):
    train(tmp_path / 'run', epochs=1)
    longer = 'Resumed with max_epochs=2, but the schedulers were made for 1'
    other = 'other settings of the optimizer or its schedulers, which change nothing'
    for rate, said in (('0.002', longer), ('0.001', other)):
        run = train(tmp_path / 'run', f'optim_wrapper.optimizer.lr={rate}', epochs=2, resume=True)
        log = (Path(run.log_dir) / f'{run.timestamp}.log').read_text()
        assert said in log and (other in log) == (said == other)


def test_validation_loss_equals_the_training_loss_of_the_same_images(train, tmp_path):
    run = train(tmp_path / 'run', scripted=False)
    (row,) = [row for row in logged(tmp_path / 'run') if 'val_loss' in row]
    model, losses = run.model.eval(), []
    with torch.no_grad():
        for batch in run.val_dataloader:
            data = model.data_preprocessor(batch, False)
            losses.append(model.loss(data['inputs'], data['data_samples']))
    for name in ('bce', 'dice'):
        expected = np.mean([float(loss[f'decode.loss_{name}']) for loss in losses])
        assert row[f'val_loss_{name}'] == pytest.approx(expected, rel=1e-3)
    assert row['val_loss'] == pytest.approx(row['val_loss_bce'] + row['val_loss_dice'], rel=1e-3)


def test_one_cycle_leads_each_group_to_its_own_rate():
    parts = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([dict(params=[part], lr=lr) for part, lr in zip(parts, (1.0, 0.1), strict=True)])
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

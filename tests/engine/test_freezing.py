"""Frozen means frozen, woken means trained: in the backbone, in a run, after a resume."""

import copy

import pytest
import torch
from conftest import MOON_OPTIONS
from mmengine.runner import Runner

from custom_modules.engine.config import load_config, read_options
from custom_modules.models.backbones import MoonNet
from custom_modules.models.backbones.networks import UNetEncoder
from custom_modules.utils.errors import UsageError


def changed(before: dict, after: dict) -> set[str]:
    """Which stages train: their weights move, and batch-norm statistics nowhere else."""
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    stages = {name.split('stages.')[1][0] for name in moved}
    assert stages == {name.split('stages.')[1][0] for name in moved if name.endswith('weight')}
    return stages


@pytest.mark.parametrize('backbone', [MoonNet, UNetEncoder])
@pytest.mark.parametrize('frozen', [-1, 0, 2, 4])
def test_only_the_rest_trains(backbone, frozen):
    model = backbone()
    sum(f.sum() for f in model(torch.rand(2, 3, 32, 32))).backward()
    model.frozen_stages = frozen
    assert model.train() is model
    for i, stage in enumerate(model.stages):
        # what is frozen forgets what it accumulated
        assert all((p.grad is None) == (i <= frozen) for p in stage.parameters())
        assert all(p.requires_grad == (i > frozen) for p in stage.parameters())
        assert all(m.training == (i > frozen) for m in stage.modules())
    before = copy.deepcopy(model.state_dict())
    loss = sum(f.square().mean() for f in model(torch.rand(2, 3, 32, 32)))
    if frozen < 4:
        loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1).step()
    assert changed(before, model.state_dict()) == {str(i) for i in range(frozen + 1, 5)}
    assert model.eval() is model and not any(m.training for m in model.modules())


@pytest.fixture
def runner(repository, moon, tmp_path):
    """The unfreezing experiment, small, from random weights."""

    def build(schedule, epochs, *options, resume=False) -> Runner:
        small = read_options([*MOON_OPTIONS, 'model.backbone.init_cfg=None', *options])
        cfg = load_config(repository / 'configs' / 'unet_backbone_unfreeze.py', small, tmp_path / 'run')
        cfg.default_hooks.freeze_schedule.schedule = schedule
        cfg.train_cfg.max_epochs = epochs
        cfg.resume = resume
        return Runner.from_cfg(cfg)

    return build


def encoder(run: Runner) -> dict:
    return copy.deepcopy(run.model.backbone.state_dict())


def test_schedule_in_a_run_and_after_a_resume(runner, tmp_path):
    schedule = {0: 4, 2: 2, 4: -1}
    first = runner(schedule, epochs=2)
    start = encoder(first)
    first.train()
    assert changed(start, encoder(first)) == set(), 'two epochs frozen'
    assert any('never reaches its epochs [2, 4]' in log.read_text() for log in tmp_path.rglob('*.log'))
    held = {id(p) for group in first.optim_wrapper.param_groups for p in group['params']}
    assert all(id(p) in held for p in first.model.backbone.parameters()), 'from the start'
    rates = [group['lr'] for group in first.optim_wrapper.param_groups]
    assert {round(rate / max(rates), 3) for rate in rates} == {0.1, 1.0}, 'encoder at a tenth'

    # resumed at epoch 3, which did not begin in this process: stages 3 and 4 are unfrozen at once
    second = runner(schedule, epochs=3, resume=True)
    second.train()
    assert second.epoch == 3 and second.model.backbone.frozen_stages == 2
    assert changed(start, encoder(second)) == set('34')

    third = runner(schedule, epochs=5, resume=True)
    third.train()
    assert changed(start, encoder(third)) == set('01234')


def test_what_wakes_is_in_the_optimizer(runner):
    """A backbone that its own config froze before the optimizer was built would be unfrozen and stay as it is."""
    run = runner({0: 4, 1: -1}, 2, 'model.backbone.frozen_stages=4')
    with pytest.raises(UsageError, match='of the backbone would be unfrozen and never train'):
        run.train()
    # as a child config's schedule is merged into its base's
    with pytest.raises(UsageError, match="freezes what it has unfrozen before, .* add '_delete_': True"):
        runner({0: 4, 1: -1, 2: 3}, 2)
    run = runner({0: 4, 1: -1}, 2)
    run._train_loop = dict(type='IterBasedTrainLoop', max_iters=4)
    with pytest.raises(UsageError, match='IterBasedTrainLoop has a single one: train by epochs'):
        run.train()


def test_norms_of_a_frozen_stage_may_adapt():
    backbone = MoonNet(frozen_stages=2, frozen_norm_eval=False)
    backbone.train()
    before, images = copy.deepcopy(backbone.state_dict()), torch.rand(2, 3, 32, 32) + 3
    features = backbone(images)
    assert not features[2].requires_grad and features[3].requires_grad
    for name, value in backbone.state_dict().items():
        if name.endswith(('running_mean', 'running_var')):
            assert not torch.equal(before[name], value), name
        elif not name.endswith('num_batches_tracked'):
            assert torch.equal(before[name], value), name
    # in evaluation they rest like any other
    backbone.eval()
    before = copy.deepcopy(backbone.state_dict())
    backbone(images)
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())

"""Scalars that are read late are the scalars that are read at once."""

from types import SimpleNamespace

import pytest
import torch
from conftest import MOON_OPTIONS
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from custom_modules.engine.config import load_config, read_options
from custom_modules.engine.hooks.logging import LazyMessageHub


def test_a_run_logs_and_saves_what_it_would(repository, moon, tmp_path, monkeypatch):
    """Beside the lazy hub, one that reads at once hears the same; every log line has to be the same."""
    small = read_options(
        [
            *MOON_OPTIONS,
            'model.backbone.widths=[4,8,8,8,8]',
            'train_dataloader.batch_size=2',
            'default_hooks.logger.interval=3',
        ]
    )
    cfg = load_config(repository / 'configs' / 'unet_baseline.py', small, tmp_path / 'run')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(moon)
    runner = Runner.from_cfg(cfg)
    at_once = MessageHub('at_once')
    update = LazyMessageHub.update_scalar
    waited, lines = [], []

    def both(self, *args, **kwargs) -> None:
        at_once.update_scalar(*args, **kwargs)
        update(self, *args, **kwargs)
        waited.append(max(map(len, self._waiting.values()), default=0))

    monkeypatch.setattr(LazyMessageHub, 'update_scalar', both)
    logged = runner.log_processor.get_log_after_iter

    def twice(runner, *args) -> tuple:
        lazy = runner.message_hub
        at_once._runtime_info = lazy._runtime_info
        lines.append(logged(SimpleNamespace(**(vars(runner) | seen(runner, at_once))), *args))
        lines.append(logged(runner, *args))
        return lines[-1]

    runner.log_processor.get_log_after_iter = twice
    runner.train()
    assert max(waited) == 2 and len(lines) == 2
    assert lines[0] == lines[1] and list(lines[0][0]) == list(lines[1][0])
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth')['message_hub']['log_scalars']
    expected = at_once.state_dict()['log_scalars']
    assert list(saved) == list(expected)
    for name, history in expected.items():
        assert saved[name].data[0].tolist() == history.data[0].tolist(), name
    assert len(saved['train/loss'].data[0]) == len(saved['train/grad_norm'].data[0]) == 4


def seen(runner, hub) -> dict:
    """What a log processor looks at, with another hub."""
    names = ('epoch', 'iter', 'max_epochs', 'max_iters', 'train_loop', 'train_dataloader')
    return dict(message_hub=hub, **{name: getattr(runner, name) for name in names})


@pytest.fixture
def hub():
    hub = MessageHub('lazy_test')
    LazyMessageHub.convert(hub)
    return hub


def test_every_way_to_look_finds_all(hub):
    def fill() -> None:
        for i in range(3):
            hub.update_scalar('train/loss', torch.tensor(i / 3))
            hub.update_scalar('train/norm', torch.tensor([i]))

    exact = [torch.tensor(i / 3).item() for i in range(3)]
    fill()
    assert len(hub._waiting['train/loss']) == 2
    assert hub.get_scalar('train/loss').data[0].tolist() == exact
    assert list(hub._waiting) == ['train/norm']
    fill()
    assert hub.log_scalars['train/norm'].data[0].tolist() == [0, 1, 2] * 2
    fill()
    assert len(hub.state_dict()['log_scalars']['train/loss'].data[0]) == 9
    hub.update_scalar('train/loss', torch.tensor(5.0))
    # a number behind waiting tensors does not overtake them
    hub.update_scalar('train/loss', 7.0)
    assert hub.get_scalar('train/loss').data[0].tolist()[-2:] == [5, 7]
    with pytest.raises(KeyError):
        hub.get_scalar('unknown')

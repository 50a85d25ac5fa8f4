"""Scalars that are read late are the scalars that are read at once."""

import json

import torch
from conftest import MOON_OPTIONS

from custom_modules.engine.hooks.logging import LazyRuntimeInfoHook


def test_a_run_logs_and_saves_what_it_would(tool, repository, moon, tmp_path, monkeypatch):
    """Four iterations of two images, of which the third is logged and the last ends the epoch."""
    monkeypatch.setenv('MOON_DATA', str(moon))
    waited, plain = [], LazyRuntimeInfoHook.read

    def read(self, hub) -> None:
        waited.append({name: len(values) for name, values in self._waiting.items()})
        plain(self, hub)

    monkeypatch.setattr(LazyRuntimeInfoHook, 'read', read)
    rows, histories = [], []
    for enabled in (True, False):
        run = tmp_path / str(enabled)
        options = [
            *MOON_OPTIONS,
            'model.backbone.widths=[4,8,8,8,8]',
            'train_dataloader.batch_size=2',
            'default_hooks.logger.interval=3',
            f'default_hooks.lazy_scalars.enabled={enabled}',
        ]
        config = repository / 'configs' / 'unet_baseline.py'
        assert tool('train.py', config, '--work-dir', run, '--cfg-options', *options) == 0
        (file,) = run.glob('*/vis_data/scalars.json')
        rows.append([json.loads(line) for line in file.read_text().splitlines()])
        saved = torch.load(run / 'epoch_1.pth', weights_only=True)
        histories.append(saved['message_hub']['log_scalars'])
    # the first of each name was read at once
    assert [found['train/loss'] for found in waited] == [2, 1]
    assert [found['train/grad_norm'] for found in waited] == [2, 1]
    for lazy, at_once in zip(*rows, strict=True):
        assert list(lazy) == list(at_once)
        for name in lazy.keys() - {'time', 'data_time'}:
            assert lazy[name] == at_once[name], name
    assert list(histories[0]) == list(histories[1])
    for name in ('train/loss', 'train/decode.loss_dice', 'train/grad_norm', 'train/lr'):
        values = [history[name].data[0].tolist() for history in histories]
        assert values[0] == values[1] and len(values[0]) == 4, name

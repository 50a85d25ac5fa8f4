"""The fast path changes no result: one seed ends in the same weights and log, to the last bit where nothing is rounded anew."""

import json

import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY, make_moon, run_tool

from custom_modules.engine.hooks.logging import LazyRuntimeInfoHook

# four iterations, of which the third is logged and the last ends the epoch
OPTIONS = [
    *MOON_OPTIONS,
    'randomness.deterministic=True',
    'model.backbone.widths=[4,8,8,8,8]',
    'train_dataloader.batch_size=2',
    'default_hooks.logger.interval=3',
]


@pytest.fixture(scope='module')
def train(tmp_path_factory):
    """Train for an epoch in this process; return the checkpoint, the logged scalars, and how many of each had waited when they were read."""
    root = tmp_path_factory.mktemp('same')
    make_moon(root / 'moon')
    config = REPOSITORY / 'configs' / 'unet_baseline.py'
    plain = LazyRuntimeInfoHook.read

    def run(name: str, *options: str) -> tuple[dict, list[dict], list[dict]]:
        waited = []

        def read(self, hub) -> None:
            waited.append({name: len(values) for name, values in self._waiting.items()})
            plain(self, hub)

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('MOON_DATA', str(root / 'moon'))
            patch.setattr(LazyRuntimeInfoHook, 'read', read)
            arguments = ['--work-dir', root / name, '--cfg-options', *OPTIONS, *options]
            assert run_tool('train.py', config, *arguments) == 0
        (file,) = (root / name).glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        return torch.load(root / name / 'epoch_1.pth', weights_only=True), rows, waited

    yield run
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope='module')
def first(train):
    return train('first')


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one['state_dict'][k], other['state_dict'][k]) for k in one['state_dict'])


def test_one_seed_one_result(train, first):
    assert same(train('again')[0], first[0])
    assert not same(train('other', 'randomness.seed=1')[0], first[0])


def test_cached_or_not_validated_in_batches_or_not_read_late_or_at_once(train, first):
    options = [f'{part}_dataloader.dataset.cache=None' for part in ('train', 'val', 'test')]
    options += [f'{part}_dataloader.batch_size=1' for part in ('val', 'test')]
    plain = train('plain', *options, 'default_hooks.lazy_scalars.enabled=False')
    assert same(plain[0], first[0])
    # the first of each name was read at once
    for name in ('train/loss', 'train/grad_norm'):
        assert [found[name] for found in first[2]] == [2, 1]
    assert plain[2] == []
    for lazy, at_once in zip(first[1], plain[1], strict=True):
        assert list(lazy) == list(at_once)
        # scores were computed in other batches
        rounding = 0 if 'loss' in lazy else 1e-6
        for name in lazy.keys() - {'time', 'data_time'}:
            assert lazy[name] == pytest.approx(at_once[name], rel=rounding, abs=0), name
    histories = [found[0]['message_hub']['log_scalars'] for found in (first, plain)]
    assert list(histories[0]) == list(histories[1])
    for name in ('train/loss', 'train/decode.loss_dice', 'train/grad_norm', 'train/lr'):
        values = [history[name].data[0].tolist() for history in histories]
        assert values[0] == values[1] and len(values[0]) == 4, name


def test_layout_and_fused_optimizer_up_to_rounding(train):
    # AdamW's first steps turn the sign of a tiny gradient into a whole step, which hides what else is wrong
    sgd = [f'optim_wrapper.optimizer.{part}' for part in ('type=SGD', 'lr=0.1', 'momentum=0.9')]
    fast = train('sgd', *sgd)[0]['state_dict']
    slow = ['default_hooks.channels_last.enabled=False', 'optim_wrapper.optimizer.fused=False']
    plain = train('sgd_plain', *sgd, *slow)[0]['state_dict']
    for name, expected in fast.items():
        torch.testing.assert_close(plain[name], expected, rtol=2e-5, atol=2e-6)

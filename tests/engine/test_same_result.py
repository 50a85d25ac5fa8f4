"""The fast path changes no result: the same seed ends in the same weights, to the last bit where nothing is rounded anew."""

import pytest
import torch
from conftest import MOON_OPTIONS, REPOSITORY, make_moon, run_tool

OPTIONS = [*MOON_OPTIONS, 'randomness.deterministic=True', 'model.backbone.widths=[4,8,8,8,8]']


@pytest.fixture(scope='module')
def train(tmp_path_factory):
    """Train for an epoch in this process and return the weights."""
    root = tmp_path_factory.mktemp('same')
    make_moon(root / 'moon')
    config = REPOSITORY / 'configs' / 'unet_baseline.py'

    def run(name: str, *options: str) -> dict[str, torch.Tensor]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('MOON_DATA', str(root / 'moon'))
            arguments = ['--work-dir', root / name, '--cfg-options', *OPTIONS, *options]
            assert run_tool('train.py', config, *arguments) == 0
        return torch.load(root / name / 'epoch_1.pth')['state_dict']

    yield run
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope='module')
def weights(train):
    return train('first')


def test_one_seed_one_result(train, weights):
    again = train('again')
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    other = train('other', 'randomness.seed=1')
    assert not all(torch.equal(other[name], weights[name]) for name in weights)


def test_cached_or_not_validated_in_batches_or_not(train, weights):
    options = [f'{part}_dataloader.dataset.cache=None' for part in ('train', 'val', 'test')]
    options += [f'{part}_dataloader.batch_size=1' for part in ('val', 'test')]
    plain = train('plain', *options, 'default_hooks.lazy_scalars.enabled=False')
    assert all(torch.equal(plain[name], weights[name]) for name in weights)


def test_layout_and_fused_optimizer_up_to_rounding(train):
    # AdamW's first steps turn the sign of a tiny gradient into a whole step, which hides what else is wrong
    sgd = [
        'optim_wrapper.optimizer.type=SGD',
        'optim_wrapper.optimizer.lr=0.1',
        'optim_wrapper.optimizer.momentum=0.9',
        'train_dataloader.batch_size=2',
    ]
    fast = train('sgd', *sgd)
    slow = ['default_hooks.channels_last.enabled=False', 'optim_wrapper.optimizer.fused=False']
    plain = train('sgd_plain', *sgd, *slow)
    for name, expected in fast.items():
        torch.testing.assert_close(plain[name], expected, rtol=2e-5, atol=2e-6)

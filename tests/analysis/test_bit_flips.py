"""Flipped bits are as many as drawn, and clamping holds what they break."""

import numpy as np
import torch
from conftest import MOON_OPTIONS
from torch import nn

from custom_modules.analysis.bit_flips import clamped_activations, flip_bits


def bits(tensor):
    return np.unpackbits(tensor.numpy().view(np.uint8))


def test_as_many_bits_differ_as_are_flipped_and_a_seed_repeats_them():
    sound = torch.randn(64, 8, 3, 3).to(memory_format=torch.channels_last)
    one, same = sound.clone(), sound.clone()
    counter = torch.tensor([7])
    count = flip_bits([one, counter], 1e-2, np.random.default_rng(3))
    differing = (bits(one.contiguous()) != bits(sound.contiguous())).sum()
    assert differing == count and counter.item() == 7
    assert abs(count - 1e-2 * 32 * sound.numel()) < 5 * np.sqrt(count)
    assert flip_bits([same], 1e-2, np.random.default_rng(3)) == count
    assert np.array_equal(bits(same.contiguous()), bits(one.contiguous()))


def test_clamping_holds_one_wrong_exponent_and_only_while_it_lasts():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    x = torch.rand(8, 4)
    limit = float(model[1](model[0](x)).max())
    sound = model(x)
    with clamped_activations(model, {'1': limit}):
        assert torch.equal(model(x), sound)
        for wrong in (1e38, float('nan')):
            with torch.no_grad():
                model[0].weight[0, 0] = wrong
            assert model(x).isfinite().all()
            assert model[:2](x).max() <= limit
    assert model(x).isnan().any()


def test_the_table_begins_with_the_sound_model(moon, repository, monkeypatch, tool, capsys):
    monkeypatch.setenv('MOON_DATA', str(moon))
    names = ('configs/rock_detector_synthetic.py', 'checkpoints/rock_detector_synthetic.pth')
    config, checkpoint = (str(repository / name) for name in names)
    options = ['--cfg-options', *MOON_OPTIONS]
    given = ['--rates', '1e-9', '1e-4', '--seeds', '0', *options]
    assert tool('analyze.py', 'bit-flips', config, checkpoint, *given) == 0
    rows = [line.split('|')[1:-1] for line in capsys.readouterr().out.splitlines() if '|' in line]
    sound, none, many = ([float(cell) for cell in row[1:]] for row in rows[2:])
    # at this rate no bit flips: nothing of the clean run stayed behind
    assert none[0] == 0 and none[1:] == sound[1:] and sound[1] > 0
    assert many[0] > 1000 and many[1] < sound[1]

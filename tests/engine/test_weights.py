"""A point between two trained models: the right numbers, the right types, and nothing that does not fit."""

import torch

from custom_modules.engine.weights import average_weights


def state(value, shape=(2, 3)):
    return {'conv.weight': torch.full(shape, float(value)), 'norm.num_batches_tracked': torch.tensor(int(value))}


def test_shares_weigh_and_counters_stay_whole():
    first = state(1)
    averaged = average_weights([first, state(5)], [0.75, 0.25])
    assert averaged['conv.weight'].tolist() == [[2.0] * 3] * 2
    assert averaged['norm.num_batches_tracked'].item() == 1
    assert [t.dtype for t in averaged.values()] == [t.dtype for t in first.values()]
    assert first['conv.weight'].eq(1).all()


def test_tool_writes_weights_that_load(tool, refused, tmp_path):
    paths = [tmp_path / name for name in ('a.pth', 'b.pth')]
    for path, value in zip(paths, (0, 4), strict=True):
        torch.save(dict(state_dict=state(value), meta=dict(epoch=1)), path)
    out = tmp_path / 'average.pth'
    assert tool('average.py', *paths, '--out', out) == 0
    loaded = torch.load(out, weights_only=True)
    assert list(loaded) == ['state_dict'] and loaded['state_dict']['conv.weight'].eq(2).all()
    # torch would stretch it over the rows
    torch.save(state(4, (1, 3)), tmp_path / 'row.pth')
    refused('of two sizes: conv.weight', 'average.py', paths[0], tmp_path / 'row.pth', '--out', out, '--overwrite')
    refused('choose another name or pass --overwrite', 'average.py', *paths, '--out', out)
    assert tool('average.py', *paths, '--shares', '1', '0', '--out', out, '--overwrite') == 0
    assert torch.load(out, weights_only=True)['state_dict']['conv.weight'].eq(0).all()

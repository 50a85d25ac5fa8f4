"""A point between two trained models: the right numbers, the right types, and nothing that does not fit."""

import torch


def state(value, shape=(2, 3)):
    return {'conv.weight': torch.full(shape, float(value)), 'norm.num_batches_tracked': torch.tensor(int(value))}


def test_tool_writes_weights_that_load(tool, refused, tmp_path):
    paths = [tmp_path / name for name in ('a.pth', 'b.pth')]
    for path, value in zip(paths, (0, 4), strict=True):
        torch.save(dict(state_dict=state(value), meta=dict(epoch=1)), path)
    out = tmp_path / 'average.pth'
    assert tool('average.py', *paths, '--out', out) == 0
    loaded = torch.load(out, weights_only=True)
    assert list(loaded) == ['state_dict'] and loaded['state_dict']['conv.weight'].eq(2).all()
    # a counter stays the first's, and whole
    assert loaded['state_dict']['norm.num_batches_tracked'].equal(torch.tensor(0))
    # torch would stretch it over the rows
    torch.save(state(4, (1, 3)), tmp_path / 'row.pth')
    refused('of two sizes: conv.weight', 'average.py', paths[0], tmp_path / 'row.pth', '--out', out, '--overwrite')
    refused('choose another name or pass --overwrite', 'average.py', *paths, '--out', out)
    assert tool('average.py', *paths, '--shares', '0.75', '0.25', '--out', out, '--overwrite') == 0
    assert torch.load(out, weights_only=True)['state_dict']['conv.weight'].eq(1).all()

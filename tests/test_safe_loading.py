"""A checkpoint is data: what wants to run code is refused, what is half written is never seen."""

import os
import pickle

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.engine import AtomicLocalBackend
from custom_modules.engine.checkpoint_match import require_all_tensors
from custom_modules.usage_error import UsageError


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def stranger(tmp_path):
    path = tmp_path / 'stranger.pth'
    torch.save(dict(state_dict={}, meta=Trap(tmp_path / 'executed')), path)
    return path


def test_a_strangers_pickle_is_not_executed(stranger, tmp_path):
    with pytest.raises(pickle.UnpicklingError):
        CheckpointLoader.load_checkpoint(str(stranger))
    assert not (tmp_path / 'executed').exists()


def test_it_is_refused_in_one_sentence(stranger, tmp_path):
    with pytest.raises(UsageError, match='stranger.pth was not loaded') as caught:
        require_all_tensors(torch.nn.Linear(1, 1), str(stranger))
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'executed').exists()


def test_damaged_checkpoint_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / 'half.pth'
    torch.save(dict(state_dict=torch.nn.Linear(9, 9).state_dict()), path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UsageError, match='half.pth was not loaded'):
        require_all_tensors(torch.nn.Linear(9, 9), str(path))


def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    backend = AtomicLocalBackend()
    backend.put(b'old', path)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.put(b'new', path)
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]

"""A checkpoint is data: what wants to run code is refused, what is half written is never seen."""

import os
import pickle
import subprocess
import sys

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.engine.hooks.checkpointing import AtomicLocalBackend
from custom_modules.engine.weights import require_all_tensors
from custom_modules.utils.errors import UsageError


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


class Reach:
    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.mark.parametrize('seed', ['0', '1', '2'])
def test_getattr_reaches_nothing_but_history_buffers(tmp_path, repository, seed):
    """In processes of their own: which entry of a set wins may depend on the hash seed."""
    torch.save(Reach(), tmp_path / 'reach.pth')
    code = (
        'import custom_modules.engine\n'
        'from mmengine.runner.checkpoint import CheckpointLoader\n'
        f'CheckpointLoader.load_checkpoint({str(tmp_path / "reach.pth")!r})'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=repository,
        env={**os.environ, 'PYTHONHASHSEED': seed},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and 'in a checkpoint is not allowed' in done.stderr


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

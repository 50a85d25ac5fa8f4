"""A checkpoint is data: what wants to run code is refused, and all of its tensors arrive or the run does not start."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.models.backbones import MoonNet
from custom_modules.models.safe_loading import load_checkpoint_file, require_all_tensors
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


@pytest.mark.parametrize('address', ['stranger.pth', 'open-mmlab://x'])
def test_a_strangers_pickle_is_not_executed(address, stranger, tmp_path, monkeypatch):
    """Nor one that the libraries look up and download themselves."""
    loading = 'mmengine.runner.checkpoint'
    monkeypatch.setattr(f'{loading}._get_mmengine_home', lambda: str(tmp_path))
    monkeypatch.setattr(f'{loading}.get_external_models', lambda: dict(x='stranger.pth'))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match='it asks for .*mkdir'):
        CheckpointLoader.load_checkpoint(address)
    with pytest.raises(UsageError, match='stranger.pth was not loaded') as caught:
        require_all_tensors(torch.nn.Linear(1, 1), str(stranger))
    assert '\n' not in str(caught.value)
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
    environment = {**os.environ, 'PYTHONHASHSEED': seed}
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and 'in a checkpoint is not allowed' in done.stderr


HUB = dict(
    log_scalars={'train/loss': HistoryBuffer([1.0], [1])},
    runtime_info=dict(cfg='1/0', epoch=3, iter=np.int64(1)),
    resumed_keys={},
)


@pytest.mark.parametrize('form', ['plain', 'wrapped', 'checkpoint', 'upstream'])
def test_every_form_of_weights_becomes_one(form, tmp_path):
    """And no config arrives: Runner.resume runs meta.config, mmengine's inferencer the other."""
    state = torch.nn.Linear(2, 3).state_dict()
    wrapped = {f'module.{name}': tensor for name, tensor in state.items()}
    meta = dict(config='1/0', cfg='1/0', epoch=3)
    forms = dict(
        plain=state,
        wrapped=wrapped,
        checkpoint=dict(state_dict=wrapped, meta=None),
        upstream=dict(state_dict=state, meta=meta, message_hub=HUB),
    )
    torch.save(forms[form], tmp_path / 'w.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'w.pth'), map_location='cpu')
    assert all(torch.equal(loaded['state_dict'][name], state[name]) for name in state)
    assert loaded['state_dict'].keys() == state.keys() and isinstance(loaded['meta'], dict)
    if form == 'upstream':
        assert loaded['meta'] == dict(epoch=3)
        assert loaded['message_hub']['runtime_info'] == dict(epoch=3, iter=1)


@pytest.mark.parametrize('content', [[1, 2], dict(state_dict=[1]), dict(a=1), {}, 'weights'])
def test_what_holds_no_weights_is_refused(content, tmp_path):
    torch.save(content, tmp_path / 'w.pth')
    with pytest.raises(UsageError, match='w.pth holds no weights'):
        load_checkpoint_file(tmp_path / 'w.pth')


def test_a_file_of_upstreams_mmseg_under_numpy_1(tmp_path):
    """Scalars of numpy, histories and, before 1.0, classes in the meta; numpy 1 called its package otherwise."""
    state = torch.nn.Linear(2, 3).state_dict()
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    hub = dict(HUB, log_scalars={'train/loss': history}, runtime_info=dict(iter=np.int64(7)))
    meta = dict(CLASSES=('ground', 'rock'), PALETTE=np.zeros((2, 3), np.uint8), config='model = 1')
    torch.save(dict(state_dict=state, meta=meta, message_hub=hub), tmp_path / 'new.pth')
    paths = tmp_path / 'new.pth', tmp_path / 'old.pth'
    with zipfile.ZipFile(paths[0]) as new, zipfile.ZipFile(paths[1], 'w') as old:
        for name in new.namelist():
            content = new.read(name)
            if name.endswith('data.pkl'):
                assert b'numpy._core.multiarray' in content
                content = content.replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
            old.writestr(name, content)
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'old.pth'), map_location='cpu')
    assert loaded['meta']['CLASSES'][1] == 'rock' and 'config' not in loaded['meta']
    assert loaded['message_hub']['runtime_info']['iter'] == 7
    assert loaded['message_hub']['log_scalars']['train/loss'].mean() == 1.5


@pytest.fixture
def classifier(tmp_path):
    """A classifier's checkpoint: a backbone and a head."""
    torch.manual_seed(1)
    state = {
        f'backbone.{k}': torch.randn_like(v.float()) for k, v in MoonNet().state_dict().items()
    }
    state['head.fc.weight'] = torch.zeros(14, 256)
    path = tmp_path / 'classifier.pth'
    torch.save(dict(state_dict=state), path)
    return path


def build(path, prefix='backbone.', **kwargs) -> MoonNet:
    model = MoonNet(init_cfg=dict(type='Pretrained', checkpoint=str(path), prefix=prefix), **kwargs)
    model.init_weights()
    return model


def counted(state: dict) -> list[str]:
    """What a checkpoint must have: all but the counters of batch norm."""
    return [name for name in state if not name.endswith('num_batches_tracked')]


def test_every_tensor_arrives(classifier, monkeypatch):
    said = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lambda text: said.append(text))
    state = torch.load(classifier, weights_only=True)['state_dict']
    loaded = build(classifier).state_dict()
    for name, tensor in loaded.items():
        torch.testing.assert_close(tensor, state[f'backbone.{name}'].to(tensor.dtype))
    count = len(counted(loaded))
    assert any(f'{count} of {count} tensors of MoonNet loaded' in text for text in said)


def test_one_missing_tensor_stops_but_not_a_counter(classifier):
    """Batch norm counts its batches since torch 0.4.1; mmengine does not ask for the counters."""
    state = torch.load(classifier, weights_only=True)['state_dict']
    old = {name: state[name] for name in counted(state)}
    assert len(old) < len(state)
    torch.save(dict(state_dict=old), classifier)
    name = 'stages.2.1.bn2.running_var'
    loaded = build(classifier).state_dict()[name]
    torch.testing.assert_close(loaded, old.pop(f'backbone.{name}'))
    torch.save(dict(state_dict=old), classifier)
    count = len(counted(MoonNet().state_dict()))
    with pytest.raises(UsageError, match=f'only {count - 1} of {count} tensors'):
        build(classifier)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        *(
            (dict(prefix=p), r'only 0 of \d+ tensors .*backbone.stages')
            for p in ('', None, 'encoder.')
        ),
        (dict(widths=(16, 32, 64, 128, 288)), r'only \d+ of \d+ tensors of MoonNet'),
        (dict(path='none.pth'), 'there is no checkpoint'),
    ],
)
def test_what_does_not_fit_stops(options, words, classifier):
    with pytest.raises(UsageError, match=words):
        build(**dict(path=classifier) | options)

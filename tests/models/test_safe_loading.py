"""A checkpoint is data: what wants to run code is refused, and all of its tensors arrive or the run does not start."""

import zipfile

import numpy as np
import pytest
import torch
from conftest import Trap, run_python
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from custom_modules.models.backbones import MoonNet
from custom_modules.utils.errors import UsageError


def test_what_the_libraries_download_themselves_is_not_executed(tmp_path, monkeypatch):
    """Files are tried in tests/faults/test_malicious.py."""
    torch.save(dict(state_dict={}, meta=Trap(tmp_path / 'executed')), tmp_path / 'stranger.pth')
    loading = 'mmengine.runner.checkpoint'
    monkeypatch.setattr(f'{loading}._get_mmengine_home', lambda: str(tmp_path))
    monkeypatch.setattr(f'{loading}.get_external_models', lambda: dict(x='stranger.pth'))
    with pytest.raises(UsageError, match='it asks for .*mkdir'):
        CheckpointLoader.load_checkpoint('open-mmlab://x')
    assert not (tmp_path / 'executed').exists()


class Reach:
    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def test_getattr_reaches_nothing_but_history_buffers(tmp_path):
    """In processes of their own: which entry of a set wins may depend on the hash seed."""
    torch.save(Reach(), tmp_path / 'reach.pth')
    code = 'import sys, custom_modules.engine\nfrom mmengine.runner.checkpoint import CheckpointLoader\n'
    code += 'CheckpointLoader.load_checkpoint(sys.argv[1])'
    for seed in (0, 1):
        done = run_python('-c', code, tmp_path / 'reach.pth', code=1, PYTHONHASHSEED=seed)
        assert 'in a checkpoint is not allowed' in done.stderr


def test_a_file_of_upstreams_mmseg_under_numpy_1(tmp_path):
    """Scalars of numpy, histories and, before 1.0, classes in the meta; numpy 1 called its package otherwise."""
    state = torch.nn.Linear(2, 3).state_dict()
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    hub = dict(log_scalars={'train/loss': history}, runtime_info=dict(cfg='1/0', iter=np.int64(7)), resumed_keys={})
    meta = dict(CLASSES=('ground', 'rock'), PALETTE=np.zeros((2, 3), np.uint8), config='model = 1')
    torch.save(dict(state_dict=state, meta=meta, message_hub=hub), tmp_path / 'new.pth')
    with zipfile.ZipFile(tmp_path / 'new.pth') as new, zipfile.ZipFile(tmp_path / 'old.pth', 'w') as old:
        assert any(b'numpy._core.multiarray' in new.read(name) for name in new.namelist())
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(b'numpy._core.multiarray', b'numpy.core.multiarray'))
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'old.pth'), map_location='cpu')
    assert loaded['meta']['CLASSES'][1] == 'rock' and 'config' not in loaded['meta']
    assert loaded['message_hub']['runtime_info'] == dict(iter=7)
    assert loaded['message_hub']['log_scalars']['train/loss'].mean() == 1.5


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(1)
    state = {f'backbone.{k}': torch.randn_like(v.float()) for k, v in MoonNet().state_dict().items()}
    state['head.fc.weight'] = torch.zeros(14, 256)
    path = tmp_path / 'classifier.pth'
    torch.save(dict(state_dict=state), path)
    return path


def build(path, prefix='backbone.', **kwargs) -> MoonNet:
    model = MoonNet(init_cfg=dict(type='Pretrained', checkpoint=str(path), prefix=prefix), **kwargs)
    model.init_weights()
    return model


def test_every_tensor_arrives_and_one_that_is_missing_stops(classifier):
    """Not so a counter: batch norm counts its batches since torch 0.4.1; mmengine does not ask for them."""
    state = torch.load(classifier, weights_only=True)['state_dict']
    old = {name: t for name, t in state.items() if not name.endswith('num_batches_tracked')}
    assert len(old) < len(state)
    torch.save(dict(state_dict=old), classifier)
    loaded = build(classifier).state_dict()
    for name in old.keys() - {'head.fc.weight'}:
        torch.testing.assert_close(loaded[name.removeprefix('backbone.')], old[name])
    count = len(old) - 1
    old.pop('backbone.stages.2.1.bn2.running_var')
    torch.save(dict(state_dict=old), classifier)
    with pytest.raises(UsageError, match=f'only {count - 1} of {count} tensors'):
        build(classifier)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(prefix=None), r'only 0 of \d+ tensors .*backbone.stages'),
        (dict(widths=(16, 32, 64, 128, 288)), r'only \d+ of \d+ tensors of MoonNet'),
    ],
)
def test_what_does_not_fit_stops(options, words, classifier):
    with pytest.raises(UsageError, match=words):
        build(classifier, **options)

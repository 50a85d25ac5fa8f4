"""All tensors of the classifier arrive in the encoder, or the run does not start."""

import pytest
import torch
from mmengine.logging import MMLogger

from custom_modules.models.backbones import MoonNet
from custom_modules.utils.errors import UsageError


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


def test_files_from_before_the_counters_load(classifier):
    """Batch norm counts its batches since torch 0.4.1; mmengine does not ask for the counters."""
    state = torch.load(classifier, weights_only=True)['state_dict']
    old = {name: state[name] for name in counted(state)}
    assert len(old) < len(state)
    torch.save(dict(state_dict=old), classifier)
    torch.testing.assert_close(
        build(classifier).state_dict()['stages.0.0.weight'], old['backbone.stages.0.0.weight']
    )


def test_every_tensor_arrives(classifier, monkeypatch):
    said = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lambda text: said.append(text))
    state = torch.load(classifier, weights_only=True)['state_dict']
    loaded = build(classifier).state_dict()
    for name, tensor in loaded.items():
        torch.testing.assert_close(tensor, state[f'backbone.{name}'].to(tensor.dtype))
    count = len(counted(loaded))
    assert any(f'{count} of {count} tensors of MoonNet loaded' in text for text in said)


@pytest.mark.parametrize('prefix', ['', None, 'encoder.'])
def test_wrong_prefix_stops(classifier, prefix):
    with pytest.raises(UsageError, match=r'only 0 of \d+ tensors .*backbone.stages'):
        build(classifier, prefix)


def test_other_architecture_stops(classifier):
    with pytest.raises(UsageError, match=r'only \d+ of \d+ tensors of MoonNet'):
        build(classifier, widths=(16, 32, 64, 128, 288))


def test_one_missing_tensor_stops(classifier):
    state = torch.load(classifier, weights_only=True)['state_dict']
    del state['backbone.stages.2.1.bn2.running_var']
    torch.save(dict(state_dict=state), classifier)
    count = len(counted(MoonNet().state_dict()))
    with pytest.raises(UsageError, match=f'only {count - 1} of {count} tensors'):
        build(classifier)


def test_missing_file_stops(tmp_path):
    with pytest.raises(UsageError, match='there is no checkpoint'):
        build(tmp_path / 'none.pth')

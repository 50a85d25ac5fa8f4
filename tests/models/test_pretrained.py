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

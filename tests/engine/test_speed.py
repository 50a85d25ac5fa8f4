"""What makes a step faster: mixed precision is for the network alone, and layout and compilation leave its result alone."""

import copy
from types import SimpleNamespace

import pytest
import torch
from conftest import MOON_OPTIONS
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from custom_modules.engine.devices import speed_advice
from custom_modules.engine.hooks.speed import ChannelsLastHook, CompileHook
from custom_modules.engine.optim import BFloat16OptimWrapper
from custom_modules.models.backbones import MoonNet
from custom_modules.models.layers import NarrowBatchNorm2d


def first_step(repository, wrapper: type) -> dict:
    """One step of a small U-Net with batch augmentation; what it saw and what it lost."""
    cfg = Config.fromfile(repository / 'configs' / 'unet_backbone_scratch.py')
    cfg.model.data_preprocessor = cfg.batch_augments.camera
    cfg.model.data_preprocessor.update(cfg.preprocessor, type='BatchAugPreProcessor')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    seen = {}
    model.backbone.stages[0].register_forward_hook(lambda layer, x, out: seen.update(images=x[0], features=out))
    weights = [p.detach().clone() for p in model.parameters()]
    torch.manual_seed(1)
    mask = torch.zeros(1, 64, 64, dtype=torch.uint8)
    mask[:, 8:30, 8:30] = 1
    image = torch.randint(0, 99, (3, 64, 64), dtype=torch.uint8) + 99 * mask
    samples = [SegDataSample(gt_sem_seg=PixelData(data=mask)) for _ in range(4)]
    optimizer = wrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    losses = model.train_step(dict(inputs=[image] * 4, data_samples=samples), optimizer)
    moved = sum(not torch.equal(old, new) for old, new in zip(weights, model.parameters(), strict=True))
    return dict(seen, losses=losses, model=model, moved=moved)


def test_the_network_computes_in_bfloat16_and_nothing_else(repository, segmentation):
    exact, mixed = (first_step(repository, w) for w in (OptimWrapper, BFloat16OptimWrapper))
    assert exact['features'].dtype == torch.float32 and mixed['features'].dtype == torch.bfloat16
    # the same augmentation, to the last bit
    assert torch.equal(exact['images'], mixed['images'])
    # a bias before a batch norm has no gradient but rounding
    assert min(mixed['moved'], exact['moved']) > 80
    assert all(p.dtype == torch.float32 for p in mixed['model'].parameters())
    for name, loss in mixed['losses'].items():
        assert loss.dtype == torch.float32, name
        # a step is no average, and bfloat16 has 8 bits
        torch.testing.assert_close(loss, exact['losses'][name], rtol=0.02, atol=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason='takes the GPU')
@pytest.mark.parametrize(('flag', 'able'), [(['--amp'], True), (['--amp', 'auto'], True), (['--amp', 'auto'], False)])
def test_amp_goes_by_the_machine(tool, refused, moon, tmp_path, repository, monkeypatch, flag, able):
    """And --amp before the config takes no value."""
    monkeypatch.setattr('custom_modules.engine.devices.cpu_has_bfloat16', lambda: able)
    # mmengine itself refuses None for a hook that is not its own
    options = ['--cfg-options', *MOON_OPTIONS, 'model.backbone.widths=[4,4,4,4,4]', 'default_hooks.compile=None']
    config = repository / 'configs' / 'unet_baseline.py'
    assert tool('train.py', *flag, config, '--work-dir', tmp_path / 'run', *options) == 0
    kind = Config.fromfile(tmp_path / 'run' / 'unet_baseline.py').optim_wrapper.type
    assert kind == ('BFloat16OptimWrapper' if able else 'OptimWrapper')
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(t.dtype == torch.float32 for t in saved.values() if t.is_floating_point())
    monkeypatch.setattr('shutil.which', lambda name: name)
    advice = speed_advice(Config(dict(optim_wrapper=dict(type='OptimWrapper'), default_hooks=dict(compile=dict(enabled=False)))))
    assert ('--amp' in advice) == able and ('compile' in advice) == (not able), advice
    if not able:
        refused('needs a GPU, or a CPU with AVX-512 BF16 or AMX', 'train.py', '--amp', config, *options)
        assert 'emulates bfloat16' in speed_advice(Config(dict(optim_wrapper=dict(type='BFloat16OptimWrapper'))))


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = MoonNet((4,) * 5)


def test_compiled_are_whole_training_batches_only():
    compiled = []

    def backend(graph, inputs):
        compiled.append(1)
        return graph.forward

    model, reference = Model(), Model()
    keys, run = list(model.state_dict()), SimpleNamespace(model=model, train_dataloader=SimpleNamespace(batch_size=4))
    hook = CompileHook(True, parts=('backbone',), backend=backend)
    hook.before_train(run)
    assert list(model.state_dict()) == keys
    images, counts = torch.rand(4, 3, 32, 32), []
    for size in (4, 3, 4):
        for each in (model, reference):
            each.zero_grad()
            each.backbone(images[:size])[-1].sum().backward()
        for a, b in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)
        with torch.no_grad():
            model.eval().backbone(images)
        model.train()
        counts.append(len(compiled))
    assert counts[0] > 0 and len(set(counts)) == 1, 'once, not for each size or epoch'
    model.backbone.frozen_stages = 4
    assert all(f.grad_fn is None for f in model.backbone(images))
    hook.after_train(run)
    assert 'forward' not in vars(model.backbone)


@pytest.mark.parametrize('dtype, rounding', [(torch.float64, 1e-12), (torch.bfloat16, 0.03)])
def test_narrow_batch_norms_are_the_same(dtype, rounding):
    torch.manual_seed(0)
    usual = nn.Sequential(nn.BatchNorm2d(18), nn.ReLU(inplace=True), nn.BatchNorm2d(18), nn.BatchNorm2d(32))
    usual.to(torch.promote_types(dtype, torch.float32))
    for norm in (usual[0], usual[2]):
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    narrow = copy.deepcopy(usual)
    ChannelsLastHook().before_run(SimpleNamespace(model=narrow))
    assert [type(layer) is NarrowBatchNorm2d for layer in narrow] == [True, False, True, False]
    images = (3 * torch.randn(4, 18, 8, 6) + 2).to(dtype).contiguous(memory_format=torch.channels_last)
    # a gradient in the other layout, and a batch whose pixels are no multiple of 16
    for part in (images, images[:3, :, :7, :5]):
        found = []
        for model in (usual, narrow):
            layers, x = model.train()[:3], part.clone().requires_grad_()
            y = layers(x)
            gradients = torch.autograd.grad((y * (part.contiguous() + 1)).sum(), [x, *layers.parameters()])
            found.append([y, *gradients, *layers.buffers(), model.eval()[:3](part)])
        for a, b in zip(*found, strict=True):
            assert (a - b).double().norm() <= rounding * b.double().norm()


@pytest.mark.parametrize('last', [True, False])
def test_averages_of_another_layout_are_brought_over(last):
    """A fused optimizer reads them as plain memory: a resume would go on with mixed-up values."""
    weights = []
    # a checkpoint of a run with the other layout, resumed, and what it would have gone on to
    for layout_before in (last, not last):
        model = Model()
        formats = {True: torch.channels_last, False: torch.contiguous_format}
        model.to(memory_format=formats[layout_before])
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
        generator = torch.Generator().manual_seed(0)
        for _ in range(2):
            for p in model.parameters():
                p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=generator))
            optimizer.step()
            model.to(memory_format=formats[last])
            ChannelsLastHook(enabled=last).before_train(SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimizer)))
        weights.append(list(model.parameters()))
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(a, b)

"""Backbones and heads hold what they declare; frozen stages compute folded, and nobody can tell but the clock."""

import copy

import pytest
import torch
import torch.nn as nn
from mmengine.hooks import EMAHook

from custom_modules.models.backbones import MobileEncoder, MoonNet
from custom_modules.models.backbones.networks import NarrowResNet, SimpleNet, UNetEncoder

BACKBONES = [MobileEncoder, MoonNet, UNetEncoder]
IMAGES = torch.rand(2, 3, 33, 40, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('backbone', BACKBONES)
@pytest.mark.parametrize('out_indices', [None, (4,), (1, 3)])
def test_features_are_as_declared(backbone, out_indices):
    model = backbone(out_indices=out_indices)
    features = torch.fx.symbolic_trace(model)(torch.rand(2, 3, 64, 96))  # as mmengine's efficient_conv_bn_eval
    for found, channels, stride in zip(features, model.out_channels, model.out_strides, strict=True):
        assert found.shape == (2, channels, 64 // stride, 96 // stride)


def test_a_stage_without_its_depth_is_refused():
    with pytest.raises(ValueError, match='depths needs one number per stage'):
        MoonNet(depths=(1, 1))


@pytest.mark.parametrize('standardize', [True, False])
@pytest.mark.parametrize('backbone', [MobileEncoder, MoonNet, NarrowResNet, SimpleNet, UNetEncoder])
def test_standardized_grey_hides_exposure_contrast_and_colour_cast(backbone, standardize):
    torch.manual_seed(0)
    grey = torch.randn(2, 1, 64, 64).expand(-1, 3, -1, -1)
    # each image with an exposure of its own, and the same brightness in another colour
    factor, shift = torch.tensor([[0.5, 2.0], [1.0, -1.0]]).view(2, 2, 1, 1, 1)
    cast = grey * factor + shift + torch.tensor([0.3, 0.0, -0.3]).view(1, 3, 1, 1)
    model = backbone(grey_standardize=standardize).eval()
    if standardize:
        # it keeps a flat image flat, and counts differently after another exposure
        model.grey_standardize.eps = 0
    with torch.no_grad():
        a, b = model(grey)[-1], model(cast)[-1]
    assert torch.allclose(a, b, atol=1e-4) is standardize


def test_a_flat_image_stays_finite_in_standardized_grey():
    with torch.no_grad():
        assert MoonNet(grey_standardize=True).eval()(torch.full((1, 3, 32, 32), 2.0))[0].isfinite().all()


def lively(backbone, **kwargs):
    """With statistics and factors as a trained network has them: fresh ones fold to nothing."""
    torch.manual_seed(0)
    model = backbone(**kwargs)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            for tensor in (m.weight, m.bias, m.running_mean, m.running_var):
                tensor.data.uniform_(0.5, 1.5)
    return model


def same(model) -> bool:
    """Whether the folded copies are those of the weights there are now."""
    found, folded = model(IMAGES), model._folded
    model._folded = None
    expected = model(IMAGES)
    model._folded = folded
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize('backbone', [MobileEncoder, MoonNet, NarrowResNet, SimpleNet, UNetEncoder])
@pytest.mark.parametrize('frozen', [0, 2, 4])
def test_folded_equals_unfolded(backbone, frozen):
    # the norms that train divide by the spread of few values, which in float32 would enlarge the rounding
    model, images = lively(backbone).double(), IMAGES.double()
    keys = list(model.state_dict())
    model.frozen_stages = frozen
    model.train()
    # all of them unfrozen, in eval, as the definition
    reference = copy.deepcopy(model)
    reference.frozen_stages = -1
    for stage in reference.stages[: frozen + 1]:
        stage.eval()
    for index, (a, b) in enumerate(zip(model(images), reference(images), strict=True)):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        assert (a.grad_fn is None) == (index <= frozen)
    assert list(model.state_dict()) == keys and len(list(model.modules())) == len(list(reference.modules()))
    norms = [[m for m in copied.modules() if isinstance(m, nn.BatchNorm2d)] for copied in model._folded._copies]
    assert len(norms) == frozen + 1 and not any(norms), 'really folded'


def test_a_convolution_that_is_called_twice_is_not_folded():
    model = lively(MoonNet, frozen_stages=1).train()
    width = model.out_channels[1]
    model.stages[1] = nn.Sequential(model.stages[1], *2 * [nn.Conv2d(width, width, 1), nn.BatchNorm2d(width, eps=3.0)]).eval()
    assert same(model)


def test_copies_follow_the_weights():
    model = lively(MoonNet, frozen_stages=4).train()
    assert same(model)
    model.load_state_dict({name: 1.1 * tensor for name, tensor in model.state_dict().items()})
    assert same(model), 'load_state_dict'
    with torch.no_grad():
        model.stages[1][0].bn1.running_var.mul_(2)
    assert same(model), 'in place'
    model.frozen_stages = 1
    assert same(model), 'woken'
    twin = copy.deepcopy(model)
    twin.stages[0][0].weight.data.mul_(2)
    assert same(twin) and same(model), 'deepcopy'


def test_averaged_weights_swapped_in_behind_autograd():
    model = lively(MoonNet, frozen_stages=4).train()
    hook = EMAHook(update_buffers=True)
    hook.src_model = model
    hook.ema_model = type('Averaged', (), dict(module=lively(MoonNet), update_buffers=True))()
    for p in hook.ema_model.module.parameters():
        p.data.mul_(1.1)
    before = model(IMAGES)[-1]
    # as mmengine's validation does it: swap, then eval
    hook._swap_ema_parameters()
    model.eval()
    assert same(model) and not torch.allclose(before, model(IMAGES)[-1], rtol=1e-2)
    hook._swap_ema_parameters()
    model.train()
    torch.testing.assert_close(before, model(IMAGES)[-1])


def test_inference_mode_gradients_of_images_and_hooks_on_frozen_layers_work():
    model = lively(MoonNet, frozen_stages=3).train()
    with torch.inference_mode():
        model(IMAGES)
    seen, images = [], IMAGES.clone().requires_grad_()
    model.stages[2].register_forward_hook(lambda *args: seen.append(1))
    model(images)[-1].sum().backward()
    assert model.stages[4][0].conv1.weight.grad is not None
    assert images.grad.abs().sum() > 0 and seen == [1]

"""Backbones and heads hold what they declare."""

import pytest
import torch

from custom_modules.models.backbones import MobileEncoder, MoonNet
from custom_modules.models.backbones.networks import NarrowResNet, SimpleNet, UNetEncoder
from custom_modules.models.unet_head import UNetHead

BACKBONES = [MobileEncoder, MoonNet, UNetEncoder]


@pytest.mark.parametrize('backbone', BACKBONES)
@pytest.mark.parametrize('out_indices', [None, (4,), (1, 3)])
def test_features_are_as_declared(backbone, out_indices):
    model = backbone(out_indices=out_indices)
    features = model(torch.rand(2, 3, 64, 96))
    assert isinstance(features, tuple)
    declared = [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(model.out_channels, model.out_strides, strict=True)
    ]
    assert [tuple(f.shape) for f in features] == declared


@pytest.mark.parametrize('backbone', BACKBONES)
@pytest.mark.parametrize('upsample', ['deconv', 'bilinear'])
@pytest.mark.parametrize('size', [(64, 64), (61, 75)])
def test_unet_returns_logits_of_the_image_size(backbone, upsample, size):
    encoder = backbone()
    head = UNetHead(encoder.out_channels, upsample=upsample)
    assert head(encoder(torch.rand(2, 3, *size))).shape == (2, 1, *size)
    assert head.threshold == 0.5


@pytest.mark.parametrize(
    # coarsest first: 128 -> 32, 64 -> 128, 32 -> 16, 16 -> 8, or the same widths but for the finest
    ('channels', 'adapters'),
    [((8, 16, 128, 32), [(1, 1)] * 4), ((8, 32, 64, 128), [None, None, None, (1, 1)])],
)
def test_skips_of_other_widths_are_adapted(channels, adapters):
    encoder = MoonNet()
    head = UNetHead(encoder.out_channels, decoder_channels=channels, num_classes=3)
    assert [getattr(level.adapter, 'kernel_size', None) for level in head.levels] == adapters
    # several classes get one channel each
    assert head(encoder(torch.rand(1, 3, 32, 32))).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: MoonNet(depths=(1, 1)), 'depths needs one number per stage'),
        (lambda: MoonNet(out_indices=(5,)), 'out_indices must lie in 0..4'),
        (lambda: MoonNet(frozen_stages=5), 'frozen_stages must lie in -1..4'),
        (lambda: UNetHead((4, 8, 16), decoder_channels=(4,)), 'one number per skip connection'),
        (lambda: UNetHead((4, 8), sampler=dict(type='OHEMPixelSampler')), 'no pixel sampler'),
        (lambda: UNetHead((4, 8), upsample='nearest'), "'deconv' or 'bilinear'"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


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


def test_a_flat_image_stays_finite_in_standardized_grey_and_a_neighbour_does_not_matter():
    model = MoonNet(grey_standardize=True).eval()
    image = torch.rand(1, 3, 32, 32)
    flat = torch.full((1, 3, 32, 32), 2.0)
    with torch.no_grad():
        alone = model(image)[0]
        together = model(torch.cat([image, flat]))[0]
    assert torch.isfinite(together).all()
    assert torch.allclose(alone[0], together[0], atol=1e-5)

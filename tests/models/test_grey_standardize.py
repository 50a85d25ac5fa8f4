"""Exposure, contrast and colour cast of a camera do not reach a backbone that looks at standardized grey."""

import pytest
import torch

from custom_modules.models.backbones import MoonNet
from custom_modules.models.backbones.reference_nets import NarrowResNet, SimpleNet, UNetEncoder


@pytest.mark.parametrize('backbone', [MoonNet, NarrowResNet, SimpleNet, UNetEncoder])
def test_every_backbone_can_and_none_does_unasked(backbone):
    torch.manual_seed(0)
    grey = torch.randn(2, 1, 64, 64).expand(-1, 3, -1, -1)
    # each image with an exposure of its own
    cast = grey * torch.tensor([0.5, 2.0]).view(2, 1, 1, 1) + torch.tensor([1.0, -1.0]).view(
        2, 1, 1, 1
    )
    # the same brightness in another colour
    cast = cast + torch.tensor([0.3, 0.0, -0.3]).view(1, 3, 1, 1)
    for standardize in (True, False):
        model = backbone(grey_standardize=standardize).eval()
        if standardize:
            # it keeps a flat image flat, and counts differently after another exposure
            model.grey_standardize.eps = 0
        with torch.no_grad():
            a, b = model(grey)[-1], model(cast)[-1]
        assert torch.allclose(a, b, atol=1e-4) is standardize
        assert (grey - cast).abs().max() > 1


def test_a_flat_image_stays_finite_and_a_neighbour_does_not_matter():
    model = MoonNet(grey_standardize=True).eval()
    image = torch.rand(1, 3, 32, 32)
    flat = torch.full((1, 3, 32, 32), 2.0)
    with torch.no_grad():
        alone = model(image)[0]
        together = model(torch.cat([image, flat]))[0]
    assert torch.isfinite(together).all()
    assert torch.allclose(alone[0], together[0], atol=1e-5)

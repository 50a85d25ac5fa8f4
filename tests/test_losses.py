"""A loss must fall when the prediction gets better: for one channel, mmseg's Dice rises."""

import pytest
import torch
from mmseg.registry import MODELS

from custom_modules.models.losses import BinaryDiceLoss

LABEL = torch.zeros(2, 8, 8, dtype=torch.long)
LABEL[:, 2:5, 3:7] = 1

LOSSES = [
    dict(type='CrossEntropyLoss', use_sigmoid=True),
    dict(type='CrossEntropyLoss', use_sigmoid=True, class_weight=[5.0]),
    dict(type='BinaryDiceLoss'),
    dict(type='BinaryDiceLoss', per_image=True),
]


def logits(label: torch.Tensor, strength: float = 8.0) -> torch.Tensor:
    return ((label == 1).float() * 2 - 1)[:, None] * strength


@pytest.fixture(params=LOSSES, ids=lambda cfg: '-'.join(map(str, cfg.values())))
def loss(request):
    return MODELS.build(dict(request.param, _scope_='mmseg'))


def test_perfect_costs_less_than_opposite(loss):
    perfect, opposite = loss(logits(LABEL), LABEL), loss(-logits(LABEL), LABEL)
    assert perfect < 0.05 < 0.5 < opposite


def test_gradient_raises_rock_and_lowers_background(loss):
    prediction = torch.zeros(2, 1, 8, 8, requires_grad=True)
    loss(prediction, LABEL).backward()
    descent = -prediction.grad.squeeze(1)
    assert (descent[LABEL == 1] > 0).all()
    assert (descent[LABEL == 0] < 0).all()


def test_ignored_pixels_do_not_count(loss):
    label = LABEL.clone()
    label[:, :, 0] = 255
    prediction = logits(LABEL).clone().requires_grad_()
    loss(prediction, label, ignore_index=255).backward()
    assert (prediction.grad[..., 0] == 0).all()
    assert (prediction.grad[..., 1:] != 0).any()


def test_positive_weight_makes_a_missed_rock_dearer():
    plain = MODELS.build(dict(LOSSES[0], _scope_='mmseg'))
    weighted = MODELS.build(dict(LOSSES[1], _scope_='mmseg'))
    missed = logits(torch.zeros_like(LABEL))
    invented = logits(torch.ones_like(LABEL))
    nothing = torch.zeros_like(LABEL)
    assert weighted(missed, LABEL) > 4.9 * plain(missed, LABEL)
    torch.testing.assert_close(weighted(invented, nothing), plain(invented, nothing))


def test_dice_equals_a_computation_by_hand():
    label = torch.tensor([[[1, 1], [0, 255]]])
    probability = torch.tensor([[[[0.8, 0.4], [0.2, 0.9]]]])
    # overlap 0.8 + 0.4; sum of probabilities 1.4 and of labels 2 without the ignored pixel
    expected = 1 - (2 * 1.2 + 1) / (1.4 + 2 + 1)
    loss = BinaryDiceLoss(smooth=1, loss_weight=3)(probability.logit(), label)
    torch.testing.assert_close(loss, torch.tensor(3 * expected))


def test_per_image_differs_from_per_batch():
    label = torch.zeros(2, 4, 4, dtype=torch.long)
    label[0] = 1
    prediction = torch.full((2, 1, 4, 4), 8.0)
    batch = BinaryDiceLoss(smooth=0)(prediction, label)
    image = BinaryDiceLoss(smooth=0, per_image=True)(prediction, label)
    torch.testing.assert_close(batch, torch.tensor(1 / 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(image, torch.tensor(1 / 2), atol=1e-3, rtol=0)


def test_several_channels_are_refused():
    with pytest.raises(ValueError, match='one channel of logits, got 2'):
        BinaryDiceLoss()(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))

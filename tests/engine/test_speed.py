"""Hooks that make a step faster leave its result alone."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from custom_modules.engine.hooks.speed import ChannelsLastHook, CompileHook
from custom_modules.models.backbones import MoonNet

WIDTHS = (4, 4, 4, 4, 4)


def runner(model, size: int = 4):
    loader = SimpleNamespace(batch_size=size)
    return SimpleNamespace(model=model, train_dataloader=loader)


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = MoonNet(WIDTHS)


def test_compiled_are_whole_training_batches_only():
    compiled = []

    def backend(graph, inputs):
        compiled.append(1)
        return graph.forward

    model = Model()
    keys, reference = list(model.state_dict()), Model()
    CompileHook().before_train(runner(model))
    assert 'forward' not in vars(model.backbone), 'off by default'
    hook = CompileHook(True, parts=('backbone',), backend=backend)
    hook.before_train(runner(model))
    assert list(model.state_dict()) == keys
    images = torch.rand(4, 3, 32, 32)
    counts = []
    for _ in range(2):
        for size in (4, 4, 3):
            for each in (model, reference):
                each.train()
                each.zero_grad()
                each.backbone(images[:size])[-1].sum().backward()
            for a, b in zip(model.parameters(), reference.parameters(), strict=True):
                torch.testing.assert_close(a.grad, b.grad)
            counts.append(len(compiled))
        model.eval()
        with torch.no_grad():
            model.backbone(images)
        counts.append(len(compiled))
    assert counts[0] > 0 and len(set(counts)) == 1, 'once, not in each epoch'
    model.train()
    model.backbone.frozen_stages = 4
    features = model.backbone(images)
    assert all(f.grad_fn is None for f in features)
    hook.after_train(runner(model))
    assert 'forward' not in vars(model.backbone)


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
            run = SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimizer))
            ChannelsLastHook(enabled=last).before_train(run)
        weights.append(list(model.parameters()))
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(a, b)

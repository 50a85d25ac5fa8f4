import torch
import torch.nn as nn
from torch.utils.flop_counter import FlopCounterMode


def model_facts(model: nn.Module, size: tuple[int, int], **call) -> dict:
    """Say what a model is: how large, and how much arithmetic.

    Args:
        model (nn.Module): The model, on its device.
        size (tuple[int, int]): Height and width of the input.
        **call: Further arguments of its call, such as ``mode='tensor'``.

    Returns:
        dict: ``parameters``, ``gmac`` (billions of multiply-additions for one image's forward pass), ``device``.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *size, device=device), **call)
    model.train(training)
    return dict(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        gmac=counter.get_total_flops() / 2e9,
        device=str(device),
    )

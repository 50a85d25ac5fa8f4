"""What a model costs: parameters, operations, images per second."""

import contextlib
import io
import logging
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Args:
        parameters (int): All its parameters.
        flops (float | None): Multiply-additions for one image, each counted once, as mmengine counts; None where it
            cannot.
        images_per_second (float): Images through the network alone, without loading and resizing.
        size (tuple[int, int]): Height and width of the input.
        batch (int): Images in a batch while the time was taken.
        device (str): Where it ran.
    """

    parameters: int
    flops: float | None
    images_per_second: float
    size: tuple[int, int]
    batch: int
    device: str


def measure_cost(model: nn.Module, size: tuple[int, int], batch: int = 8) -> ModelCost:
    """Count and measure a model in eval mode; takes about a second.

    Args:
        model (nn.Module): A model of mmseg or mmpretrain, on its device.
        size (tuple[int, int]): Height and width of the input.
        batch (int): Images in a batch. Defaults to 8.
    """
    device = next(model.parameters()).device
    inputs = torch.zeros(batch, 3, *size, device=device)
    inputs = inputs.to(memory_format=torch.channels_last)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    speed = batch / _median_seconds(model, inputs)
    return ModelCost(parameters, _flops(model, inputs[:1]), speed, tuple(size), batch, str(device))


@torch.inference_mode()
def _median_seconds(model: nn.Module, inputs: torch.Tensor) -> float:
    seconds, end = [], time.perf_counter() + 0.5
    for repeat in range(1000):
        start = time.perf_counter()
        model(inputs, mode='tensor')
        if inputs.is_cuda:
            torch.cuda.synchronize()
        # the first two choose their algorithms
        if repeat > 1:
            seconds.append(time.perf_counter() - start)
        if time.perf_counter() > end and len(seconds) >= 5:
            break
    return float(np.median(seconds))


def _flops(model: nn.Module, image: torch.Tensor) -> float | None:
    from mmengine.analysis import get_model_complexity_info
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    # it lists every operator that it does not count
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            found = get_model_complexity_info(
                model, inputs=(image,), show_table=False, show_arch=False
            )
    except (RuntimeError, TypeError):
        return None
    finally:
        logger.setLevel(level)
    return float(found['flops'])

"""A segmentor's scores with random bit flips in its weights, as radiation causes them on board."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn

from custom_modules.evaluation.predictions import CheckpointPredictions


def flip_bits(tensors: Iterable[torch.Tensor], rate: float, random: np.random.Generator) -> int:
    """Flip each bit of float32 tensors (others are left out) with the probability ``rate``, in place, and count the flips."""
    flipped = 0
    for tensor in tensors:
        if tensor.dtype != torch.float32:
            continue
        # draws the few bits to flip instead of a number for each bit
        count = random.binomial(32 * tensor.numel(), rate)
        positions = random.choice(32 * tensor.numel(), count, replace=False)
        values = tensor.detach().cpu().contiguous().flatten().numpy().copy()
        np.bitwise_xor.at(values.view(np.uint32), positions // 32, np.uint32(1) << (positions % 32).astype(np.uint32))
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
        flipped += count
    return flipped


@contextmanager
def activation_hooks(model: nn.Module, hook: Callable) -> Iterator[None]:
    """Call a hook with the name and output of each activation of a model; a value that it returns replaces the output."""
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if isinstance(module, nn.ReLU | nn.ReLU6):
                hooks.enter_context(module.register_forward_hook(lambda *args, name=name: hook(name, args[-1])))
        yield


def clamped_activations(model: nn.Module, limits: dict[str, float]):
    """Clamp each activation to its maximum in the fault-free model, and nan to 0 (`Ranger <https://arxiv.org/abs/2003.13874>`_)."""
    return activation_hooks(model, lambda name, out: out.nan_to_num(nan=0.0).clamp(0, limits[name]))


def pooled_dice(predictions: CheckpointPredictions) -> float:
    """Compute the mean Dice of the classes but the background, of the pixels of all images, in percent."""
    first, *others = (prediction.scores for prediction in predictions)
    return sum(others, first).foreground_dice


def bit_flip_scores(cfg, checkpoint: str, rates: Sequence[float], seeds: Sequence[int]) -> pd.DataFrame:
    """Score a segmentor's checkpoint on the test part with flipped bits, without and with clamped activations.

    ``rates`` are probabilities of each bit to flip, with the same ``seeds`` for each. The limits of the activations come from
    the same images. The table has a row per ``rate``, the first for 0: mean number of ``flips``, mean and lowest Dice over the
    seeds (``dice``, ``worst``), and the same with clamped activations (``clamped_dice``, ``clamped_worst``).
    """
    predictions = CheckpointPredictions(cfg, checkpoint)
    model = predictions.model
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    limits: dict[str, float] = {}

    def record_maximum(name: str, output: torch.Tensor) -> None:
        limits[name] = max(limits.get(name, 0.0), float(output.max()))

    with activation_hooks(model, record_maximum):
        dice = pooled_dice(predictions)
    with clamped_activations(model, limits):
        clamped = pooled_dice(predictions)
    rows = [(0.0, 0.0, dice, dice, clamped, clamped)]
    for rate in rates:
        flips, scores = [], []
        for seed in seeds:
            state = {name: value.clone() for name, value in weights.items()}
            flips.append(flip_bits(state.values(), rate, np.random.default_rng(seed)))
            model.load_state_dict(state)
            dice = pooled_dice(predictions)
            with clamped_activations(model, limits):
                scores.append((dice, pooled_dice(predictions)))
        # nan, without any true or predicted object, counts as 0
        plain, clamped = np.nan_to_num(np.array(scores)).T
        rows.append((rate, np.mean(flips), plain.mean(), plain.min(), clamped.mean(), clamped.min()))
    return pd.DataFrame(rows, columns=['rate', 'flips', 'dice', 'worst', 'clamped_dice', 'clamped_worst'])

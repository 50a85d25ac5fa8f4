"""What random bit flips in its weights do to a segmentor, as radiation causes them on board."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn

from custom_modules.evaluation.predictions import CheckpointPredictions

ACTIVATIONS = (nn.ReLU, nn.ReLU6)


def flip_bits(tensors: Iterable[torch.Tensor], rate: float, random: np.random.Generator) -> int:
    """Flip each bit of float32 tensors (others stay) with the probability ``rate``, in place, and count how many were flipped."""
    flipped = 0
    for tensor in tensors:
        if tensor.dtype != torch.float32:
            continue
        words = tensor.numel()
        # the few that flip are drawn, not all bits
        count = random.binomial(32 * words, rate)
        places = random.choice(32 * words, count, replace=False)
        mask = np.zeros(words, np.uint32)
        np.bitwise_xor.at(mask, places // 32, np.uint32(1) << (places % 32).astype(np.uint32))
        values = tensor.detach().cpu().contiguous().numpy().reshape(-1).view(np.uint32) ^ mask
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values.view(np.float32)).reshape(tensor.shape))
        flipped += count
    return flipped


@contextmanager
def activation_hooks(model: nn.Module, hook: Callable) -> Iterator[None]:
    """Call a hook with the name and output of each activation of a model; what it returns takes the output's place."""
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if isinstance(module, ACTIVATIONS):
                handle = module.register_forward_hook(lambda _, given, output, name=name: hook(name, output))
                hooks.enter_context(handle)
        yield


def clamped_activations(model: nn.Module, limits: dict[str, float]):
    """Keep each activation within its limit, what it was on clean data; what is no number becomes 0.

    `Ranger <https://arxiv.org/abs/2003.13874>`_ restricts ranges in the same way: one wrong exponent no longer floods all that
    follows.
    """
    return activation_hooks(model, lambda name, out: out.nan_to_num(nan=0.0).clamp(0, limits[name]))


def pooled_dice(predictions: CheckpointPredictions) -> float:
    """Score all images together: Dice of the classes but the background, in percent."""
    first, *others = (prediction.scores for prediction in predictions)
    return sum(others, first).foreground_dice


def bit_flip_scores(cfg, checkpoint: str, rates: Sequence[float], seeds: Sequence[int]) -> pd.DataFrame:
    """Score a segmentor's checkpoint on the test part with bits flipped, as it is and with clamped activations.

    The limits of the activations are taken from the same images, without their masks. ``rates`` are probabilities of
    each bit, and ``seeds`` those of the flips, the same for every rate. There is a row per ``rate``: mean number of
    ``flips``, mean and lowest Dice over the seeds, ``dice`` and ``worst``, and the same with clamped activations,
    ``clamped_dice`` and ``clamped_worst``. The first row, of rate 0, is the sound model.
    """
    predictions = CheckpointPredictions(cfg, checkpoint)
    model = predictions.model
    sound = {name: value.clone() for name, value in model.state_dict().items()}
    limits: dict[str, float] = {}

    def watch(name: str, output: torch.Tensor) -> None:
        limits[name] = max(limits.get(name, 0.0), float(output.max()))

    with activation_hooks(model, watch):
        dice = pooled_dice(predictions)
    with clamped_activations(model, limits):
        clamped = pooled_dice(predictions)
    rows = [(0.0, 0.0, dice, dice, clamped, clamped)]
    for rate in rates:
        flips, found = [], []
        for seed in seeds:
            state = {name: value.clone() for name, value in sound.items()}
            flips.append(flip_bits(state.values(), rate, np.random.default_rng(seed)))
            model.load_state_dict(state)
            dice = pooled_dice(predictions)
            with clamped_activations(model, limits):
                found.append((dice, pooled_dice(predictions)))
        # a class that is nowhere predicted nor true has no score, and one that is lost has 0
        own, held = np.nan_to_num(np.array(found)).T
        rows.append((rate, np.mean(flips), own.mean(), own.min(), held.mean(), held.min()))
    return pd.DataFrame(rows, columns=['rate', 'flips', 'dice', 'worst', 'clamped_dice', 'clamped_worst'])

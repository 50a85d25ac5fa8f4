"""What random bit flips in its weights do to a segmentor, as radiation causes them on board."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn

from custom_modules.analysis.metrics import foreground_dice
from custom_modules.evaluation.predictions import CheckpointPredictions

ACTIVATIONS = (nn.ReLU, nn.ReLU6)


def flip_bits(tensors: Iterable[torch.Tensor], rate: float, random: np.random.Generator) -> int:
    """Flip each bit of float32 tensors with the same probability, in place.

    Args:
        tensors (Iterable[Tensor]): What lies in memory: weights, and the running statistics of batch norms. Tensors of other
            types, such as counters, are left as they are.
        rate (float): Probability of each bit.
        random (np.random.Generator): Draws the bits.

    Returns:
        int: How many were flipped.

    Example:
        >>> weight = torch.ones(1000)
        >>> flip_bits([weight], 1e-3, np.random.default_rng(0)), int((weight != 1).sum())
        (35, 34)
    """
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
def clamped_activations(model: nn.Module, limits: dict[str, float]) -> Iterator[None]:
    """Keep each activation within what it was on clean data; what is no number becomes 0.

    `Ranger <https://arxiv.org/abs/2003.13874>`_ restricts ranges in the same way: one wrong exponent no longer floods all that
    follows.

    Args:
        model (nn.Module): The model.
        limits (dict[str, float]): Of :func:`watched_activations`.
    """

    def clamp(limit: float):
        return lambda module, inputs, output: output.nan_to_num(nan=0.0).clamp(0, limit)

    modules = dict(model.named_modules())
    handles = [modules[n].register_forward_hook(clamp(limit)) for n, limit in limits.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def watched_activations(model: nn.Module) -> Iterator[dict[str, float]]:
    """Note the largest output of each activation while images are predicted.

    Args:
        model (nn.Module): The model.

    Yields:
        dict[str, float]: The largest so far, by the module's name.
    """
    limits: dict[str, float] = {}

    def watch(name: str):
        def hook(module, inputs, output) -> None:
            limits[name] = max(limits.get(name, 0.0), float(output.max()))

        return hook

    handles = [
        module.register_forward_hook(watch(name))
        for name, module in model.named_modules()
        if isinstance(module, ACTIVATIONS)
    ]
    try:
        yield limits
    finally:
        for handle in handles:
            handle.remove()


def pooled_dice(predictions: CheckpointPredictions) -> float:
    """Score all images together: Dice of the classes but the background, in percent."""
    first, *others = (prediction.scores for prediction in predictions)
    return foreground_dice(sum(others, first))


def bit_flip_scores(
    cfg, checkpoint: str, rates: Sequence[float], seeds: Sequence[int], part: str = 'test'
) -> pd.DataFrame:
    """Score a checkpoint with bits flipped at several rates, as it is and with clamped activations.

    Args:
        cfg (mmengine.Config): A segmentor's config.
        checkpoint (str): Its weights.
        rates (Sequence[float]): Probabilities of each bit.
        seeds (Sequence[int]): Of the flips; the same for every rate and both rows.
        part (str): ``'test'`` (default), ``'val'`` or ``'train'``: the images to score. The limits of the activations are
            taken from the same images without their masks.

    Returns:
        pd.DataFrame: Per rate: ``rate``, mean number of ``flips``, mean and lowest Dice over the seeds, ``dice`` and ``worst``, and
        the same with clamped activations, ``clamped_dice`` and ``clamped_worst``. The first row, of rate 0, is the sound model.
    """
    predictions = CheckpointPredictions(cfg, checkpoint, part)
    model = predictions.model
    sound = {name: value.clone() for name, value in model.state_dict().items()}
    with watched_activations(model) as limits:
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
            with clamped_activations(model, limits):
                clamped = pooled_dice(predictions)
            found.append((pooled_dice(predictions), clamped))
        # a class that is nowhere predicted nor true has no score, and one that is lost has 0
        own, held = np.nan_to_num(np.array(found)).T
        rows.append((rate, np.mean(flips), own.mean(), own.min(), held.mean(), held.min()))
    model.load_state_dict(sound)
    names = ['rate', 'flips', 'dice', 'worst', 'clamped_dice', 'clamped_worst']
    return pd.DataFrame(rows, columns=names)

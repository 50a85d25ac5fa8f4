"""Weights in files: read, written, averaged, compared with a model."""

import hashlib
import io
import re
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn as nn
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from custom_modules.engine.hooks.checkpointing import AtomicLocalBackend
from custom_modules.utils.errors import UsageError


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the ``state_dict`` of a checkpoint, and nothing that could run code.

    Args:
        path (str | Path): Checkpoint of a run, or of nothing but weights.

    Raises:
        UsageError: If there is no such file, or it is damaged, unsafe or holds no ``state_dict``.
    """
    if not Path(path).is_file():
        raise UsageError(f'there is no checkpoint {path}.')
    try:
        loaded = torch.load(path, map_location='cpu', weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise UsageError(
            f'{path} is damaged or holds more than tensors and plain values: take a checkpoint of this project.'
        ) from error
    if not isinstance(loaded, dict) or 'state_dict' not in loaded:
        raise UsageError(f'{path} has no state_dict: take a checkpoint that tools/train.py wrote.')
    return loaded['state_dict']


def write_weights(state: dict[str, Tensor], path: str | Path) -> str:
    """Write a checkpoint of nothing but weights, in one piece or not at all.

    Args:
        state (dict[str, Tensor]): The ``state_dict``.
        path (str | Path): File to write.

    Returns:
        str: The file's SHA-256.
    """
    # channels-last training leaves strided tensors; contiguous ones load the same and depend on nothing
    buffer = io.BytesIO()
    torch.save({'state_dict': {name: t.contiguous() for name, t in state.items()}}, buffer)
    AtomicLocalBackend().put(buffer.getvalue(), str(path))
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def average_weights(
    states: Sequence[dict[str, Tensor]], shares: Sequence[float]
) -> dict[str, Tensor]:
    """Average the weights of models of one architecture that were trained on from the same weights.

    Such models often lie in one basin of the loss, so that a point between them knows what each of them has learnt:
    `Robust fine-tuning of zero-shot models <https://arxiv.org/abs/2109.01903>`_, `Model soups
    <https://arxiv.org/abs/2203.05482>`_. Models that were trained from different random weights do not.

    Args:
        states (Sequence[dict[str, Tensor]]): Their ``state_dict``. Running statistics of batch norms are averaged too;
            whole numbers, such as a norm's number of batches, are taken from the first.
        shares (Sequence[float]): The share of each; they add up to 1.

    Returns:
        dict[str, Tensor]: The averaged ``state_dict``, in the first one's types.

    Raises:
        UsageError: If names, shapes or the number of shares do not fit, or the shares do not add up to 1.

    Example:
        >>> import torch
        >>> from custom_modules.engine.weights import average_weights
        >>> average_weights([{'w': torch.zeros(2)}, {'w': torch.ones(2)}], [0.75, 0.25])
        {'w': tensor([0.2500, 0.2500])}
    """
    if len(shares) != len(states):
        raise UsageError(f'{len(states)} checkpoints need as many shares, got {len(shares)}.')
    if abs(sum(shares) - 1) > 1e-6:
        raise UsageError(f'the shares add up to 1, got {" + ".join(map(str, shares))}.')
    first = states[0]
    for number, state in enumerate(states[1:], 2):
        if state.keys() != first.keys():
            name = sorted(state.keys() ^ first.keys())[0]
            raise UsageError(
                f'checkpoints 1 and {number} are of two architectures: {name} is in one of them only.'
            )
        for name, tensor in state.items():
            if tensor.shape != first[name].shape:
                raise UsageError(
                    f'checkpoints 1 and {number} are of two sizes: {name} is {tuple(first[name].shape)} '
                    f'and {tuple(tensor.shape)}.'
                )
    averaged = {}
    for name, tensor in first.items():
        if not tensor.is_floating_point():
            averaged[name] = tensor.clone()
            continue
        parts = (share * state[name].double() for share, state in zip(shares, states, strict=True))
        averaged[name] = sum(parts, torch.zeros_like(tensor, dtype=torch.double)).to(tensor)
    return averaged


def require_all_tensors(
    module: nn.Module, checkpoint: str, prefix: str = '', part: str = 'backbone'
) -> int:
    """Make sure that a checkpoint provides every tensor of a module, before it is loaded.

    mmengine loads with ``strict=False``: with a forgotten prefix, or the checkpoint of another
    architecture, it goes on from random weights with only a warning.

    Args:
        module (nn.Module): What is to be filled.
        checkpoint (str): File, or address that mmengine understands.
        prefix (str): What the checkpoint's keys have before the module's own. Defaults to ``''``.
        part (str): The module's name in the model, for the error's sentence. Defaults to ``'backbone'``.

    Returns:
        int: How many tensors will be loaded: all of the module's.

    Raises:
        UsageError: If the checkpoint cannot be read safely, or a tensor is missing or of another shape.
    """
    try:
        loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    except FileNotFoundError as error:
        raise UsageError(
            f'there is no checkpoint {checkpoint}: train one with tools/train.py, or mend the path.'
        ) from error
    except (OSError, HTTPException) as error:
        raise UsageError(
            f'{checkpoint} could not be read or downloaded ({getattr(error, "reason", error)}): without a network, write '
            f'`model = dict({part}=dict(init_cfg=None))` in the config to train from random weights, or there as '
            'checkpoint the path of a file that was downloaded elsewhere.'
        ) from error
    except (UnpicklingError, RuntimeError, EOFError) as error:
        wanted = re.search(r'GLOBAL (\S+)', str(error))
        reason = f'it asks for {wanted[1]}' if wanted else str(error).split('\n')[0]
        raise UsageError(
            f'{checkpoint} was not loaded, since it is damaged or holds more than tensors and plain values '
            f'({reason}): take a checkpoint of this project, or weights saved as a plain state_dict.'
        ) from error
    state = loaded.get('state_dict', loaded)
    prefix = f'{prefix.rstrip(".")}.' if prefix else ''
    # the counters of batch norm mean nothing here, and older files lack them
    wanted = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    found = sum(
        f'{prefix}{name}' in state and state[f'{prefix}{name}'].shape == tensor.shape
        for name, tensor in wanted.items()
    )
    if found < len(wanted):
        raise UsageError(
            f'only {found} of {len(wanted)} tensors of {type(module).__name__} are in {checkpoint} '
            f'with prefix {prefix!r} (it begins with {next(iter(state), "nothing")!r}): give the checkpoint of '
            'this architecture, and for a part of it the prefix.'
        )
    return found


def require_pretrained(model: nn.Module) -> None:
    """Make sure that every ``Pretrained`` checkpoint in a model can be loaded, and provides all of its part.

    Args:
        model (nn.Module): The model, as built and before ``init_weights``.

    Raises:
        UsageError: As :func:`require_all_tensors`; a download that fails is one of the reasons.
    """
    for name, module in model.named_modules():
        configs = getattr(module, 'init_cfg', None) or {}
        for cfg in configs if isinstance(configs, list) else [configs]:
            if cfg.get('type') == 'Pretrained':
                require_all_tensors(module, cfg['checkpoint'], cfg.get('prefix') or '', name)
